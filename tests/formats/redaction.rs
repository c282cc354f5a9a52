//! `--redact`: no name survives in any format, and a redacted report replays to the same verdict.
