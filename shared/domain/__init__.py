"""Pure rules: money, usage, prices, limits, keys, accounts, models. No I/O."""
