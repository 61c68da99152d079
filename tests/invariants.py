async def broken_invariants(*a, **k):
    return []
