"""EvaluationResult: what evaluators written for OpenEvolve import from it to return. Its text stands in for the module in the sandbox."""

from dataclasses import dataclass, field

__all__ = ["EvaluationResult"]


@dataclass
class EvaluationResult:
    """Metrics by name, and artifacts: texts for whoever writes the next program."""

    metrics: dict[str, float]
    artifacts: dict[str, str | bytes] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, metrics: dict[str, float]) -> "EvaluationResult":
        """A result without artifacts."""
        return cls(metrics=metrics)

    def to_dict(self) -> dict[str, float]:
        """The metrics."""
        return self.metrics

    def has_artifacts(self) -> bool:
        """Whether there are any."""
        return bool(self.artifacts)

    def get_artifact_keys(self) -> list[str]:
        """Their names."""
        return list(self.artifacts)

    def get_artifact_size(self, key: str) -> int:
        """Bytes of one of them; 0 where there is none of that name."""
        value = self.artifacts.get(key, "")
        return len(value if isinstance(value, bytes) else str(value).encode())

    def get_total_artifact_size(self) -> int:
        """Bytes of all."""
        return sum(map(self.get_artifact_size, self.artifacts))
