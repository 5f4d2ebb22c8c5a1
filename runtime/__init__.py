"""What every process shares: settings, logs, traces, metrics, object storage, model registry, promotion log."""
