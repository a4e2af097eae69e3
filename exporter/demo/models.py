"""The models the platform calls, what they cost, and the ways their providers are written in the ledger."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

NANO = Decimal("1e-9")
MICRO = Decimal("1e-6")


@dataclass(frozen=True)
class Model:
    """A model. Prices are nano-dollars a token (1,000 is $1 a million tokens); `share` is its part of all tasks."""

    name: str | None
    providers: tuple[str | None, ...]
    input_price: int
    output_price: int
    share: float

    @property
    def thrift(self) -> float:
        """How many tokens an agent spends on it, relative to a model of $1 a million: the dearer, the fewer."""
        return float((1000 / self.input_price) ** 0.7)

    def cost_usd(self, tokens_in: int, tokens_out: int, price_factor: Decimal = Decimal(1)) -> Decimal:
        """What a call costs, in dollars to six decimal places."""
        nano = (tokens_in * self.input_price + tokens_out * self.output_price) * price_factor
        return (nano * NANO).quantize(MICRO)

    def tokens_for(self, usd: float) -> tuple[int, int]:
        """Input and output tokens that together cost about `usd`, four fifths of it for input."""
        return int(usd * 0.8e9 / self.input_price), int(usd * 0.2e9 / self.output_price)


SONNET = Model(
    "claude-3-5-sonnet", ("bedrock/claude-3-5-sonnet", "bedrock/anthropic.claude-3-5-sonnet"), 3000, 15000, 0.16
)
HAIKU = Model("claude-3-haiku", ("bedrock/claude-3-haiku",), 250, 1250, 0.12)
MINIMAX = Model("MiniMax-M2", ("MiniMax-M2", "MiniMax-M2", "minimax", "max"), 300, 1200, 0.27)
CODEX = Model("codex-mini", ("codex-mini", "codex-mini", "codex"), 1500, 6000, 0.18)
GLM = Model("glm-4.6", ("glm-4.6", "zhipu/GLM-4.6"), 600, 2200, 0.14)
GLM_AIR = Model("glm-4.5-air", ("zhipu/GLM-4.5",), 200, 1100, 0.07)
GPT = Model("gpt-4.1-mini", ("openai/gpt-4.1-mini",), 400, 1600, 0.05)
UNTOLD = Model(None, (None,), 500, 2000, 0.01)

MODELS = (SONNET, HAIKU, MINIMAX, CODEX, GLM, GLM_AIR, GPT, UNTOLD)
