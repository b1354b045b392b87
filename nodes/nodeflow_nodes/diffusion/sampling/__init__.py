"""Pure numerics of diffusion sampling: tables, schedules, noise, samplers, guidance, and the loop that ties them.

Nothing here knows nodes, workflows, files or the engine; everything works on float32 torch tensors. The modules import
torch, so node modules import them inside function bodies. Formulas and conventions: NUMERICS (docs), whose section
numbers the docstrings cite. Each module imports only earlier ones:

    tables          σ tables of the families (§2)
    parametrisation what a network's output means (§1)
    schedules       n steps → n+1 sigmas (§3)
    noise           first noise, sampler noise, Brownian paths (§4)
    samplers/       the algorithms, one signature for all (§5)
    guidance        how estimates are combined (§6)
    inpaint         masks (§8)
    run             the loop
"""
