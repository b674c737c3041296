"""Keeps the libraries we stand on from calling home. Knows no settings of ours; call it before anything else."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping

_SETTINGS = {
    # Hugging Face: never download, never report
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TRANSFORMERS_OFFLINE": "1",
    # LangChain's tracer sends every prompt to a server; the library asks for both prefixes, with and without _V2
    "LANGSMITH_TRACING": "false",
    "LANGSMITH_TRACING_V2": "false",
    "LANGCHAIN_TRACING": "false",
    "LANGCHAIN_TRACING_V2": "false",
    # Chroma
    "ANONYMIZED_TELEMETRY": "False",
    "DO_NOT_TRACK": "1",
}
_REMOVED = (
    "LANGSMITH_API_KEY",
    "LANGCHAIN_API_KEY",
    "LANGSMITH_ENDPOINT",
    "LANGCHAIN_ENDPOINT",
    "LANGSMITH_RUNS_ENDPOINTS",
    "LANGCHAIN_RUNS_ENDPOINTS",
    "LANGSMITH_OTEL_ENABLED",
    "LANGCHAIN_OTEL_ENABLED",
    "LANGSMITH_PROFILE",
)
"""With these a tracer that is switched on by hand would know where to send."""


def forbid_telemetry(environ: MutableMapping[str, str]) -> None:
    """Switch off tracing, telemetry and downloads in `environ` (the process's own, in earnest), whatever it said."""
    environ.update(_SETTINGS)
    for name in _REMOVED:
        environ.pop(name, None)
    # The tracer's library remembers what it has read from the environment.
    library = sys.modules.get("langsmith.utils")
    if library is not None:
        library.get_env_var.cache_clear()
