"""A house catalogue and a vendor server on loopback, inside the client: builds for tests script both by settings."""


ROWS = {
    "vendor": "house",
    "endpoints": [
        {"id": "house", "api": "chat_completions", "base_url": "http://localhost/v1", "region": "us", "auth": "bearer"}
    ],
    "models": [
        {
            "id": "house/small",
            "family": "small",
            "tier": "economy",
            "context_window": 65536,
            "max_output": 4096,
            "capabilities": ["tools", "json_mode", "streaming"],
            "source": "made up for tests",
            "date": "2026-01-01",
            "prices": [{"rates": {"input": "1", "output": "4"}}],
        }
    ],
}


def answer(text="Rayleigh scattering does it.", **more):
    return {"reply": {"parts": [{"type": "text", "text": text}], "usage": {"input": 100, "output": 10}}, **more}


def settings(*answers, **more):
    rules = [{"times": 1, "answer": one} for one in answers[:-1]] + [{"answer": answers[-1]}]
    return {
        "keys": {"house": "sk-canary"},
        "catalog": {"only_files": True},
        "rows": [ROWS],
        "testing": {"loopback": rules},
        **more,
    }


ASK = [{"role": "user", "content": "Why is the sky blue?"}]
# 100 tokens at 1 dollar a million and 10 at 4: 0.0001 + 0.00004.
COST = "0.00014"
