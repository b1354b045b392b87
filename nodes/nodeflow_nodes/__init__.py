"""The standard node packs. Each imports the `nodeflow` facade and the ML libraries, never the engine's inside."""
