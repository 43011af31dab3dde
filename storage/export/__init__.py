"""Dataset versions: a run's labels and values as Parquet that trainers load, with a card and a manifest."""

from storage.export.registry import FORMATS
from storage.export.release import ExportReport, export

__all__ = ["FORMATS", "ExportReport", "export"]
