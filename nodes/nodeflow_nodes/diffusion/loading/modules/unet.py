"""The latent-diffusion U-Net (Rombach et al. 2022) of Stable Diffusion 1, 2 and XL, and its ControlNet
(Zhang et al. 2023), in plain torch.

Parameter names and configuration are those of diffusers' `UNet2DConditionModel` and `ControlNetModel`; what their
configurations can say beyond the published models is left to them (`supports`).
Shapes: B batch, C channels, T text tokens, E width of the time embedding.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .mmdit_parts import TwoLayers, timestep_features
from .unet_parts import Level, Middle, Norms, TextEmbedding

Depth = int | Sequence[int]
PLAIN: dict[str, tuple[Any, ...]] = {
    "act_fn": ("silu",), "norm_eps": (1e-5,), "downsample_padding": (1,),
    "mid_block_scale_factor": (1, 1.0), "flip_sin_to_cos": (True,), "freq_shift": (0,), "dropout": (0, 0.0),
    "center_input_sample": (False,), "only_cross_attention": (False,), "dual_cross_attention": (False,),
    "class_embed_type": (None,), "num_class_embeds": (None,), "addition_embed_type": (None, "text", "text_time"),
    "resnet_time_scale_shift": ("default", "scale_shift"), "resnet_skip_time_act": (False,),
    "time_embedding_type": ("positional",),
    "encoder_hid_dim": (None,), "encoder_hid_dim_type": (None,), "time_cond_proj_dim": (None,),
    "conv_in_kernel": (3,), "conv_out_kernel": (3,), "attention_type": ("default",), "timestep_post_act": (None,),
    "time_embedding_act_fn": (None,), "mid_block_type": ("UNetMidBlock2DCrossAttn", "UNetMidBlock2D"),
    "class_embeddings_concat": (False,), "cross_attention_norm": (None,), "upcast_attention": (None, False, True),
    "controlnet_conditioning_channel_order": ("rgb",), "global_pool_conditions": (False,),
}  # fmt: skip
"""What a configuration may say for this module to be the same network (a value left out is the first one)."""
BLOCKS = {"CrossAttnDownBlock2D", "DownBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"}


def supports(config: dict[str, Any]) -> bool:
    """Whether this module is the network that `config` describes."""
    kinds = {*config.get("down_block_types", ()), *config.get("up_block_types", ())}
    context, layers = config.get("cross_attention_dim"), config.get("layers_per_block", 2)
    return (
        kinds <= BLOCKS
        and type(context) is int
        and type(layers) is int
        and config.get("num_attention_heads") is None
        and all(config.get(name, allowed[0]) in allowed for name, allowed in PLAIN.items())
    )


class Half(nn.Module):
    """What U-Net and ControlNet have in common: embeddings, the way down and the middle."""

    def __init__(
        self,
        *,
        in_channels: int = 4,
        block_out_channels: Sequence[int] = (320, 640, 1280, 1280),
        layers_per_block: int = 2,
        cross_attention_dim: int = 768,
        down_block_types: Sequence[str] = (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
        mid_block_type: str = "UNetMidBlock2DCrossAttn",
        transformer_layers_per_block: Depth | Sequence[Depth] = 1,
        attention_head_dim: int | Sequence[int] = 8,
        use_linear_projection: bool = False,
        norm_num_groups: int = 32,
        resnet_time_scale_shift: str = "default",
        addition_embed_type: str | None = None,
        addition_embed_type_num_heads: int = 64,
        addition_time_embed_dim: int | None = None,
        projection_class_embeddings_input_dim: int | None = None,
        **unused: Any,
    ) -> None:
        super().__init__()
        self.widths = widths = tuple(block_out_channels)
        levels = len(widths)
        self.depths = _spread(transformer_layers_per_block, levels)
        heads = _spread(attention_head_dim, levels)
        self.attention = [(cross_attention_dim, int(h), use_linear_projection) for h in heads]
        self.layers = layers_per_block
        self.embedding = widths[0] * 4
        self.conv_in = nn.Conv2d(in_channels, widths[0], 3, padding=1)
        self.time_embedding = TwoLayers(widths[0], self.embedding)
        self.added = addition_time_embed_dim or 0
        self.norms = Norms(norm_num_groups, resnet_time_scale_shift == "scale_shift")
        self.add_embedding: nn.Module | None = None
        if addition_embed_type == "text_time":
            self.add_embedding = TwoLayers(projection_class_embeddings_input_dim or 0, self.embedding)
        elif addition_embed_type == "text":
            self.add_embedding = TextEmbedding(cross_attention_dim, self.embedding, addition_embed_type_num_heads)
        self.down_blocks = nn.ModuleList()
        channels = widths[0]
        for i, (width, kind) in enumerate(zip(widths, down_block_types, strict=True)):
            blocks = [(channels if j == 0 else width, width) for j in range(layers_per_block)]
            depths = _depths(self.depths[i], layers_per_block) if kind.startswith("Cross") else None
            self.down_blocks.append(
                Level(blocks, self.embedding, depths, self.attention[i], self.norms, down=i < levels - 1),
            )
            channels = width
        last = self.depths[-1]
        depth = (last if isinstance(last, int) else last[-1]) if mid_block_type == "UNetMidBlock2DCrossAttn" else 0
        self.mid_block = Middle(channels, self.embedding, depth, self.attention[-1], self.norms)

    def embed(
        self, timestep: Tensor, like: Tensor, context: Tensor, pooled: Tensor | None, time_ids: Tensor | None
    ) -> Tensor:
        """Time (and the text, or SDXL's pooled text and sizes) as one vector [B, E]."""
        time = self.time_embedding(timestep_features(timestep, self.widths[0]).to(like.dtype))
        if isinstance(self.add_embedding, TextEmbedding):
            time = time + self.add_embedding(context)
        elif self.add_embedding is not None and pooled is not None and time_ids is not None:
            sizes = timestep_features(time_ids.flatten(), self.added).reshape(len(pooled), -1)
            time = time + self.add_embedding(torch.cat([pooled, sizes], dim=-1).to(like.dtype))
        return time

    def way_down(self, x: Tensor, time: Tensor, context: Tensor) -> list[Tensor]:
        """The states after each block on the way down; the first is `x` itself."""
        states = [x]
        for level in self.down_blocks:
            for index in range(self.layers):
                x = level.block(index, x, time, context)
                states.append(x)
            if level.downsamplers is not None:
                x = level.downsamplers[0](x)
                states.append(x)
        return states


class UNet(Half):
    """The whole U-Net; the keyword arguments are diffusers' configuration."""

    def __init__(
        self,
        *,
        out_channels: int = 4,
        up_block_types: Sequence[str] = ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
        reverse_transformer_layers_per_block: Sequence[Depth] | None = None,
        **half: Any,
    ) -> None:
        super().__init__(**half)
        widths, levels = self.widths[::-1], len(self.widths)
        depths = reverse_transformer_layers_per_block or list(reversed(self.depths))
        self.up_blocks = nn.ModuleList()
        channels = widths[0]
        for i, (width, kind) in enumerate(zip(widths, up_block_types, strict=True)):
            below = widths[min(i + 1, levels - 1)]
            blocks = [
                ((channels if j == 0 else width) + (below if j == self.layers else width), width)
                for j in range(self.layers + 1)
            ]
            depth = _depths(depths[i], self.layers + 1) if kind.startswith("Cross") else None
            attention = self.attention[levels - 1 - i]
            self.up_blocks.append(Level(blocks, self.embedding, depth, attention, self.norms, up=i < levels - 1))
            channels = width
        self.conv_norm_out = nn.GroupNorm(self.norms.groups, widths[-1], eps=1e-5)
        self.conv_out = nn.Conv2d(widths[-1], out_channels, 3, padding=1)

    def forward(
        self,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        pooled: Tensor | None = None,
        time_ids: Tensor | None = None,
        control: dict[str, list[Tensor]] | None = None,
    ) -> Tensor:
        """The network's raw output.

        Args:
            x: [B, C, h, w]. timestep: [B]. context: [B, T, cross_attention_dim].
            pooled, time_ids: SDXL's pooled text [B, P] and sizes [B, 6].
            control: residuals of ControlNets: "down" for each state on the way down, "mid" one.
        """
        time = self.embed(timestep, x, context, pooled, time_ids)
        states = self.way_down(self.conv_in(x), time, context)
        x = self.mid_block(states[-1], time, context)
        if control is not None:
            states = [state + extra for state, extra in zip(states, control["down"], strict=True)]
            x = x + control["mid"][0]
        for level in self.up_blocks:
            for index in range(self.layers + 1):
                x = level.block(index, torch.cat([x, states.pop()], dim=1), time, context)
            if level.upsamplers is not None:
                x = level.upsamplers[0](F.interpolate(x, size=states[-1].shape[-2:], mode="nearest"))
        return self.conv_out(F.silu(self.conv_norm_out(x)))


class HintEncoder(nn.Module):
    """A picture [B, 3, H, W] as features of a latent's size: eight times smaller."""

    def __init__(self, width: int, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(channels, widths[0], 3, padding=1)
        self.blocks = nn.ModuleList()
        for small, large in itertools.pairwise(widths):
            self.blocks.append(nn.Conv2d(small, small, 3, padding=1))
            self.blocks.append(nn.Conv2d(small, large, 3, padding=1, stride=2))
        self.conv_out = nn.Conv2d(widths[-1], width, 3, padding=1)

    def forward(self, hint: Tensor) -> Tensor:
        hint = F.silu(self.conv_in(hint))
        for block in self.blocks:
            hint = F.silu(block(hint))
        return self.conv_out(hint)


class ControlNet(Half):
    """A copy of the way down that reads a hint; the keyword arguments are diffusers' configuration."""

    def __init__(
        self,
        *,
        conditioning_channels: int = 3,
        conditioning_embedding_out_channels: Sequence[int] = (16, 32, 96, 256),
        **half: Any,
    ) -> None:
        super().__init__(**half)
        first = self.widths[0]
        self.controlnet_cond_embedding = HintEncoder(first, conditioning_channels, conditioning_embedding_out_channels)
        outputs = [first]
        for i, width in enumerate(self.widths):
            outputs += [width] * (self.layers + (i < len(self.widths) - 1))
        self.controlnet_down_blocks = nn.ModuleList(nn.Conv2d(width, width, 1) for width in outputs)
        self.controlnet_mid_block = nn.Conv2d(self.widths[-1], self.widths[-1], 1)

    def forward(
        self,
        x: Tensor,
        timestep: Tensor,
        context: Tensor,
        hint: Tensor,
        pooled: Tensor | None = None,
        time_ids: Tensor | None = None,
    ) -> dict[str, list[Tensor]]:
        """Residuals for each state of the way down ("down") and for the middle ("mid")."""
        time = self.embed(timestep, x, context, pooled, time_ids)
        states = self.way_down(self.conv_in(x) + self.controlnet_cond_embedding(hint), time, context)
        middle = self.mid_block(states[-1], time, context)
        down = [layer(state) for layer, state in zip(self.controlnet_down_blocks, states, strict=True)]
        return {"down": down, "mid": [self.controlnet_mid_block(middle)]}


def _spread(value: Any, count: int) -> list[Any]:
    """One value for each level."""
    return [value] * count if isinstance(value, int) else list(value)


def _depths(depth: Depth, count: int) -> list[int]:
    return [depth] * count if isinstance(depth, int) else list(depth)
