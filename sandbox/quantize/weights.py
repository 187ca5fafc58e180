"""GGUF weights to 4 bits (q4_0), tensor by tensor.

Source of the format and of which tensors stay finer: llama.cpp's GGUF specification and its quantiser. `gguf` is
llama.cpp's own package; it quantises block by block in NumPy, and is the only part that knows the bytes.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf

# What q4_0 and q8_0 pack together: a row that is no multiple of it cannot be quantised.
_BLOCK = 32

# What every token passes first and last: 4 bits here cost more than they save, so they get 8.
_FINER = ("token_embd.weight", "output.weight")

_Q4, _Q8, _F32 = gguf.GGMLQuantizationType.Q4_0, gguf.GGMLQuantizationType.Q8_0, gguf.GGMLQuantizationType.F32

# Fields that the writer makes itself, or that say what is no longer so.
_OURS = ("GGUF.", "general.architecture", "general.file_type", "general.quantization_version")

# Told the tensor that is done, its number from 1, and how many there are.
Progress = Callable[[str, int, int], None]


class WeightsError(Exception):
    """The file cannot be quantised; the sentence says why."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of both files, and bits a weight of the small one, over all its tensors."""

    before_bytes: int
    after_bytes: int
    bits_per_weight: float


def quantise(source: Path, target: Path, progress: Progress) -> Sizes:
    """Write `source` as `target`: matrices in q4_0, embeddings in q8_0, everything else as it is.

    Weights that are quantised already are first read back to 32 bits. `target` appears only when it is whole.

    Raises:
        WeightsError: `source` is no GGUF file, or has a kind of weights that cannot be read back.
    """
    reader = _read(source)
    partial = target.with_name(target.name + ".partial")
    writer = gguf.GGUFWriter(partial, arch=str(_field(reader, "general.architecture")))
    try:
        _copy_fields(reader, writer)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_Q4_0)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
        kinds = {tensor.name: _kind(tensor) for tensor in reader.tensors}
        for tensor in reader.tensors:
            kind, shape = kinds[tensor.name], _rows_first(tensor)
            nbytes = int(tensor.n_elements) * gguf.GGML_QUANT_SIZES[kind][1] // gguf.GGML_QUANT_SIZES[kind][0]
            dtype = {"F32": "float32", "F16": "float16"}.get(kind.name, "uint8")
            stored = shape if dtype != "uint8" else gguf.quant_shape_to_byte_shape(shape, kind)
            writer.add_tensor_info(tensor.name, stored, _dtype(dtype), nbytes, raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        for number, data in enumerate(_tensors(reader, kinds), start=1):
            writer.write_tensor_data(data)
            progress(reader.tensors[number - 1].name, number, len(reader.tensors))
    except BaseException:
        writer.close()
        partial.unlink(missing_ok=True)
        raise
    writer.close()
    partial.replace(target)
    weights = sum(int(tensor.n_elements) for tensor in reader.tensors)
    after = target.stat().st_size
    return Sizes(source.stat().st_size, after, after * 8 / weights)


def _read(source: Path) -> Any:
    try:
        return gguf.GGUFReader(source)
    except (OSError, ValueError, IndexError, KeyError) as error:
        raise WeightsError(f"{source} is no GGUF file that can be read ({error}).") from None


def _tensors(reader: Any, kinds: dict[str, gguf.GGMLQuantizationType]) -> Iterator[Any]:
    for tensor in reader.tensors:
        kind = kinds[tensor.name]
        if kind == tensor.tensor_type:
            yield tensor.data
            continue
        try:
            whole = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        except NotImplementedError:
            raise WeightsError(
                f"{tensor.name} is {tensor.tensor_type.name}, which cannot be read back: start from an f16 or f32 file."
            ) from None
        yield gguf.quants.quantize(whole, kind) if kind != _F32 else whole


def _kind(tensor: Any) -> gguf.GGMLQuantizationType:
    """What a tensor becomes."""
    shape = _rows_first(tensor)
    if len(shape) < 2 or shape[-1] % _BLOCK:
        return tensor.tensor_type if tensor.tensor_type.name in ("F32", "F16") else _F32
    return _Q8 if tensor.name in _FINER else _Q4


def _rows_first(tensor: Any) -> list[int]:
    """The shape with the longest stride first, as NumPy has it; GGUF writes it the other way round."""
    return [int(length) for length in reversed(tensor.shape)]


def _copy_fields(reader: Any, writer: Any) -> None:
    for name, field in reader.fields.items():
        if not name.startswith(_OURS):
            kind = field.types[0]
            writer.add_key_value(
                name, field.contents(), kind, sub_type=field.types[-1] if len(field.types) > 1 else None
            )


def _field(reader: Any, name: str) -> object:
    field = reader.get_field(name)
    if field is None:
        raise WeightsError(f"the file has no {name}: it is no model of llama.cpp's.")
    return field.contents()


def _dtype(name: str) -> Any:
    import numpy as np  # comes with gguf

    return np.dtype(name)
