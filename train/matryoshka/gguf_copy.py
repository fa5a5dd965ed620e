"""A copy of a GGUF file, key by key: what it gets besides is up to the caller."""

from pathlib import Path

import gguf

WRITTEN = {"general.architecture", "GGUF.version", "GGUF.tensor_count", "GGUF.kv_count"}
"""By GGUFWriter itself."""


def copied_keys(reader: gguf.GGUFReader, replaced: str) -> list[gguf.ReaderField]:
    """Keys that a copy has to write; those that begin with `replaced` are written anew."""
    return [field for name, field in reader.fields.items() if name not in WRITTEN and not name.startswith(replaced)]


def begin_copy(reader: gguf.GGUFReader, target: Path, replaced: str) -> gguf.GGUFWriter:
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in copied_keys(reader, replaced):
        kind = field.types[0]
        writer.add_key_value(field.name, field.contents(), kind, field.types[-1] if kind == gguf.GGUFValueType.ARRAY else None)
    return writer


def end_copy(writer: gguf.GGUFWriter) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def check_keys(before: gguf.GGUFReader, after: gguf.GGUFReader, replaced: str) -> None:
    """Fails where a key is not in the copy as it was."""
    for field in copied_keys(before, replaced):
        if after.fields[field.name].contents() != field.contents():
            raise SystemExit(f"the key {field.name} changed")
