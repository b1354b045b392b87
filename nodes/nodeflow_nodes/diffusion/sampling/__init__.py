"""Pure numerics of diffusion sampling: tables, schedules, noise, samplers, guidance, and the loop that ties them.

Nothing here knows nodes, workflows, files or the engine; everything works on float32 torch tensors. The modules import
torch, so node modules import them inside function bodies. "NUMERICS" is docs/numerics.md, whose sections
the docstrings cite. Each module imports only earlier ones:

    tables          σ tables of the families (§2)
    parametrisation what a network's output means (§1)
    schedules       n steps → n+1 sigmas (§3)
    noise           first noise, sampler noise, Brownian paths (§4)
    samplers/       the algorithms, one signature for all (§5)
    conditions      prompts made ready: areas, masks, times (§6)
    batches         which of them run together
    guidance        how estimates are combined (§6)
    estimate        denoiser, conditions and guidance as the samplers' model
    inpaint         masks (§8)
    run             a whole run
    preview         latents as small pictures
    names           the names for node signatures (no torch)
"""
