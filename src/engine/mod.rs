//! The engine: a pure walk (facts in, effect out) and an async driver that runs what it asks for.
