"""Real weights made smaller, by the command that people run."""

import subprocess
import sys
from pathlib import Path

import gguf
import numpy as np
import pytest

from sandbox import model
from sandbox.quantize.weights import WeightsError, quantise

pytestmark = pytest.mark.alone


def nothing(name: str, number: int, of: int) -> None:
    """Report no progress."""


def f16_model(path: Path) -> Path:
    """A file of two layers that no llama.cpp would run, but whose tensors are real."""
    writer = gguf.GGUFWriter(path, arch="llama")
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_block_count(2)
    writer.add_token_list(["a", "b"])
    random = np.random.default_rng(1)
    for name, shape in {"token_embd.weight": (8, 64), "blk.0.ffn_up.weight": (96, 64), "odd.weight": (4, 33)}.items():
        writer.add_tensor(name, random.normal(size=shape).astype(np.float16))
    writer.add_tensor("output_norm.weight", np.ones(64, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_an_f16_file_becomes_4_bits_where_that_is_possible(tmp_path: Path) -> None:
    source, target = f16_model(tmp_path / "f16.gguf"), tmp_path / "q4.gguf"
    sizes = quantise(source, target, nothing)
    after = gguf.GGUFReader(target)
    assert {tensor.name: tensor.tensor_type.name for tensor in after.tensors} == {
        "token_embd.weight": "Q8_0",
        "blk.0.ffn_up.weight": "Q4_0",
        "odd.weight": "F16",
        "output_norm.weight": "F32",
    }
    assert after.fields["general.file_type"].contents() == gguf.LlamaFileType.MOSTLY_Q4_0
    assert after.fields["llama.block_count"].contents() == 2
    assert after.fields["tokenizer.ggml.tokens"].contents() == ["a", "b"]
    assert (sizes.before_bytes, sizes.after_bytes) == (source.stat().st_size, target.stat().st_size)
    assert sizes.after_bytes < sizes.before_bytes
    before = {tensor.name: tensor for tensor in gguf.GGUFReader(source).tensors}
    for tensor in after.tensors:
        restored = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        # A step of q4_0 is an eighth of a block's largest weight, and a weight is at most one step off.
        assert np.abs(restored - before[tensor.name].data).max() <= np.abs(before[tensor.name].data).max() / 8 + 1e-3


def test_what_is_no_model_is_one_sentence_and_leaves_nothing_behind(tmp_path: Path) -> None:
    source = tmp_path / "notes.gguf"
    source.write_text("not a model")
    with pytest.raises(WeightsError, match="no GGUF file that can be read"):
        quantise(source, tmp_path / "out.gguf", nothing)
    with pytest.raises(WeightsError, match="no GGUF file that can be read"):
        quantise(tmp_path / "missing.gguf", tmp_path / "out.gguf", nothing)
    assert [file.name for file in tmp_path.iterdir()] == ["notes.gguf"]


def test_the_laptops_model_in_4_bits_still_knows_its_language(tmp_path: Path) -> None:
    target = tmp_path / "smol.gguf"
    argv = [sys.executable, "-m", "sandbox.quantize", "--out", str(target)]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=110, check=False)
    assert told.returncode == 0, told.stderr
    assert target.stat().st_size < model.weights().stat().st_size
    before, after = (float(word) for word in told.stdout.split("perplexity")[1].split()[0:3:2])
    # Random weights would be at tens of thousands; these are the published ones, and a little worse.
    assert 5 < before < 60
    assert before < after < 2 * before
    assert f"LOCAL_MODEL={target}" in told.stdout


def test_the_command_refuses_to_replace_the_model(tmp_path: Path) -> None:
    source = f16_model(tmp_path / "f16.gguf")
    argv = [sys.executable, "-m", "sandbox.quantize", str(source), "--out", str(source)]
    told = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert (told.returncode, "would replace the model" in told.stderr) == (1, True)
