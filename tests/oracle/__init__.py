"""An independent second opinion on every published figure: plain SQL over the ledgers, one statement a metric.

It shares no code with the exporter. `Oracle` follows a process through its refreshes, `samples` answers for one
instant.
"""

from tests.oracle.model import Oracle, samples
from tests.oracle.options import Options
from tests.oracle.values import Exact, Key, Samples, as_float, key

__all__ = ["Exact", "Key", "Options", "Oracle", "Samples", "as_float", "key", "samples"]
