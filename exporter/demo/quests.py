"""The twelve quests: what each is called, may spend and works on, and the titles its tasks bear."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from exporter.demo.models import CODEX, HAIKU, MINIMAX, SONNET, Model

if TYPE_CHECKING:
    from random import Random

LAYERS = ("Agora", "Exchange", "Forge", "Atlas", "Senate")

TITLES = {
    "Agora": ("Debate: {claim}", "Argue against: {claim}", "Hear both sides on {topic}"),
    "Exchange": ("Price the odds: {claim}", "Settle the market: {claim}", "Rank open bets on {topic}"),
    "Forge": ("Run {method} on {topic}", "Benchmark {method} for {topic}", "Reproduce {topic} with {method}"),
    "Atlas": ("Map {topic} from {count} papers", "Link {topic} to known mechanisms", "Extract {topic} into the graph"),
    "Senate": ("Review the evidence on {topic}", "Audit {method} before release", "Vote to promote: {claim}"),
}


@dataclass(frozen=True)
class Quest:
    """A line of research. Money and tasks are those of a weekday; `usage` is the part of the budget usually spent."""

    code: str
    id: str | None
    name: str | None
    budget_usd: int
    tasks: int
    usage: float
    impact: float
    layers: tuple[int, int, int, int, int]
    favourite: Model
    topics: tuple[str, ...]
    methods: tuple[str, ...]
    claims: tuple[str, ...]

    def title(self, rng: Random, layer: str) -> str:
        """A title for a task of this quest in one of the layers."""
        return rng.choice(TITLES[layer]).format(
            topic=rng.choice(self.topics),
            method=rng.choice(self.methods),
            claim=rng.choice(self.claims),
            count=rng.randrange(12, 240),
        )


TAU = Quest(
    "TAU", "tau-spread", "Tau Spread Atlas", 82, 84, 0.72, 4.2, (2, 1, 3, 5, 1), SONNET,
    ("tau seeding in entorhinal cortex", "PET tracer kinetics", "exosome-borne tau", "tau strains in mouse lines",
     "connectome-weighted spread", "phospho-tau 217 cohorts"),
    ("a network diffusion model", "Bayesian fits of PET series", "cryo-EM fibril clustering", "an ODE seeding model"),
    ("tau follows functional rather than structural links", "p-tau217 leads amyloid PET by two years",
     "exosomes carry most seeding-competent tau"),
)  # fmt: skip
MICROGLIA = Quest(
    "MIC", "microglia-states", "Microglial State Map", 66, 70, 0.76, 3.6, (1, 1, 3, 4, 1), MINIMAX,
    ("TREM2-dependent transitions", "lipid-laden microglia", "single-nucleus atlases",
     "complement tagging of synapses", "interferon-responsive clusters"),
    ("trajectory inference", "a label transfer model", "ligand-receptor screening", "differential abundance tests"),
    ("disease-associated microglia are protective early on", "lipid droplets drive the loss of phagocytosis",
     "one interferon state explains sex differences"),
)  # fmt: skip
ENZYME = Quest(
    "ENZ", "enzyme-design", "De Novo Enzyme Design", 60, 56, 0.70, 4.6, (1, 1, 6, 1, 1), CODEX,
    ("retro-aldolase scaffolds", "PETase thermostability", "kemp eliminase libraries", "carbonic anhydrase mimics",
     "cofactor-free oxidases"),
    ("backbone diffusion", "constrained inverse folding", "free-energy perturbation",
     "a plate-assay simulator"),
    ("preorganisation matters more than transition-state binding", "designed PETases hold up at 70 degrees"),
)  # fmt: skip
ELECTROLYTE = Quest(
    "ELY", "solid-electrolytes", "Solid Electrolyte Screening", 52, 48, 0.74, 3.9, (1, 2, 5, 2, 1), CODEX,
    ("argyrodite sulfides", "garnet grain boundaries", "halide stability windows", "dendrite onset in LLZO",
     "sodium superionic conductors"),
    ("a machine-learned potential", "nudged elastic band runs", "phase-diagram hulls", "Monte Carlo site occupancy"),
    ("halides stay stable against high-voltage cathodes", "grain boundaries limit garnets more than the bulk"),
)  # fmt: skip
ANTIBIOTIC = Quest(
    "ABX", "antibiotic-leads", "Antibiotic Lead Discovery", 46, 52, 0.78, 3.4, (1, 2, 4, 2, 1), MINIMAX,
    ("efflux-evading scaffolds", "LpxC inhibitors", "siderophore conjugates", "narrow-spectrum leads for Klebsiella",
     "membrane-active peptides"),
    ("graph-based activity models", "docking with rescoring", "a toxicity filter", "retrosynthesis planning"),
    ("efflux liability can be read from structure alone", "siderophore uptake resists resistance for ten passages"),
)  # fmt: skip
CLIMATE = Quest(
    "CLI", "climate-downscaling", "Regional Climate Downscaling", 38, 44, 0.70, 3.2, (1, 1, 4, 3, 1), MINIMAX,
    ("Alpine convective extremes", "monsoon onset dates", "urban heat at 1 km", "compound drought and heat",
     "snow-line retreat"),
    ("a diffusion downscaler", "quantile mapping", "convection-permitting reruns", "extreme-value fits"),
    ("bias correction hides the trend in extremes", "kilometre-scale runs double hourly rain extremes"),
)  # fmt: skip
PLASMA = Quest(
    "PLA", "plasma-control", "Plasma Control Policies", 32, 36, 0.73, 3.8, (1, 1, 6, 1, 1), CODEX,
    ("vertical displacement events", "edge-localised modes", "detachment control", "disruption precursors",
     "equilibrium reconstruction"),
    ("offline reinforcement learning", "a surrogate transport code", "model predictive control", "shot replay"),
    ("disruptions can be called 300 ms ahead", "learned policies transfer between machines"),
)  # fmt: skip
REPLICATION = Quest(
    "REP", "replication-watch", "Replication Watch", 24, 40, 0.75, 2.6, (3, 2, 1, 1, 5), HAIKU,
    ("priming studies since 2015", "gut-brain cohorts", "deep-learning benchmarks", "nutrition trials",
     "underpowered fMRI designs"),
    ("p-curve analysis", "a forking-paths check", "raw-data re-analysis", "image forensics"),
    ("effect sizes halve on replication", "preregistration closes most of the gap"),
)  # fmt: skip
LITERATURE_BIO = Quest(
    "LIB", "lit-synthesis-bio", "Literature Synthesis", 16, 30, 0.77, 2.4, (1, 1, 1, 6, 1), HAIKU,
    ("senolytic trials", "GLP-1 and neurodegeneration", "ageing clocks", "CRISPR base-editing safety"),
    ("claim extraction", "citation-graph ranking", "a living meta-analysis"),
    ("GLP-1 agonists slow cognitive decline", "epigenetic clocks measure cell mix"),
)  # fmt: skip
LITERATURE_MATERIALS = Quest(
    "LIM", "lit-synthesis-materials", "Literature Synthesis", 13, 24, 0.71, 2.3, (1, 1, 1, 6, 1), HAIKU,
    ("perovskite degradation", "high-entropy alloys", "MOF water harvesting", "room-temperature superconductivity"),
    ("claim extraction", "table mining", "synthesis-recipe parsing"),
    ("tandem cells pass damp heat", "reported yields depend on the group"),
)  # fmt: skip
NAMELESS = Quest(
    "SBX", "sandbox-7f3a", None, 8, 22, 0.66, 2.0, (1, 1, 3, 1, 1), MINIMAX,
    ("prompt variants for claim scoring", "agent hand-over formats", "tool-call retries"),
    ("an A/B harness", "trace replay", "a judge panel"),
    ("two small judges beat a large one", "retries hide tool faults"),
)  # fmt: skip
BRIDGE = Quest(
    "BRG", "bridge-grant-27", "Bridge Grant Pilot", 11, 18, 0.70, 3.0, (2, 2, 2, 1, 1), MINIMAX,
    ("soil-carbon sensors", "phage therapy logistics", "low-cost spectrometers"),
    ("a cost model", "expert elicitation", "a feasibility matrix"),
    ("phage banks scale to regional hospitals", "field spectrometers match the laboratory within 5 %"),
)  # fmt: skip

QUESTS = (
    TAU, MICROGLIA, ENZYME, ELECTROLYTE, ANTIBIOTIC, CLIMATE, PLASMA, REPLICATION,
    LITERATURE_BIO, LITERATURE_MATERIALS, NAMELESS, BRIDGE,
)  # fmt: skip

# Calls that belong to no quest: the platform's own housekeeping. No task, no outcome, no budget; small change.
HOUSEKEEPING = Quest("SYS", None, None, 1, 4, 0.40, 0.0, (1, 1, 1, 1, 1), HAIKU, ("",), ("",), ("",))
