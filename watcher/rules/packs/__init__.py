"""Rule packs: TOML files in the shape of a user's own `[[rules]]`. `builtin` is on by default; the others are opt-in."""
