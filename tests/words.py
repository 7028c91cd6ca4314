"""python3 dev.py words: English locales and the tables of all help pages from the nodes' schemas, so that a tooltip is written once.

A node's schema says what is English; `locales/zh/nodeDefs.json` what is Chinese.
What is not translated is named, and stays English.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from pack_host import ROOT, Host

_HEADINGS = {
    "en": ("Inputs", "Outputs", "Name", "Meaning", "optional", "Default"),
    "zh": ("输入", "输出", "名称", "含义", "可选", "默认值"),
}


def english(schema) -> dict:
    """What a node's schema says, in the form of ComfyUI's locales."""
    inputs = {one.id: {"name": one.id.replace("_", " "), "tooltip": one.tooltip} for one in schema.inputs}
    outputs = {
        str(number): {"name": one.display_name.replace("_", " "), "tooltip": one.tooltip} for number, one in enumerate(schema.outputs)
    }
    return {"display_name": schema.display_name, "description": schema.description, "inputs": inputs, "outputs": outputs}


def translated(words: dict, before: dict, known: dict, where: str, missing: list[str]) -> dict:
    """The known translation in the shape of the English words.

    What it lacks stays English; that, and what it translates from English words that have changed since `before`, is added to `missing`.
    """
    result = {}
    for key, value in words.items():
        if isinstance(value, dict):
            result[key] = translated(value, before.get(key, {}), known.get(key, {}), f"{where} {key}", missing)
        else:
            if known.get(key, value) == value or before.get(key, value) != value:
                missing.append(f"{where} {key}")
            result[key] = known.get(key, value)
    return result


def page(schema, words: dict, language: str, text: str) -> str:
    """A help page with new tables; what stands below them is kept."""
    inputs, outputs, name, meaning, optional, default = _HEADINGS[language]
    table = [f"| {name} | {meaning} |", "| --- | --- |"]
    lines = [f"# {words['display_name']}", "", words["description"], "", f"## {inputs}", "", *table]
    for one in schema.inputs:
        said, note = words["inputs"][one.id], f" ({optional})" if one.optional else ""
        value = getattr(one, "default", None)
        usual = "" if value in (None, "") or "\n" in str(value) else f" {default}: `{value}`."
        lines.append(f"| **{said['name']}**{note} | {said['tooltip']}{usual} |")
    lines += ["", f"## {outputs}", "", *table]
    lines += [f"| **{said['name']}** | {said['tooltip']} |" for said in words["outputs"].values()]
    below = text.split("\n## ", 3)
    return "\n".join(lines) + ("\n\n## " + below[3] if len(below) > 3 else "\n")


def generated(host: Host, missing: list[str]) -> dict[Path, str]:
    """Every file that comes from the schemas: path -> text."""
    files = {}
    schemas = {name: host.nodes[name].GET_SCHEMA() for name in (node.GET_SCHEMA().node_id for node in host.nodes.values())}
    before = json.loads((ROOT / "locales" / "en" / "nodeDefs.json").read_text(encoding="utf-8"))
    for language in _HEADINGS:
        locale = ROOT / "locales" / language / "nodeDefs.json"
        words = {name: english(schema) for name, schema in schemas.items()}
        if language != "en":
            known = json.loads(locale.read_text(encoding="utf-8"))
            words = {name: translated(one, before.get(name, {}), known.get(name, {}), name, missing) for name, one in words.items()}
        files[locale] = json.dumps(words, ensure_ascii=False, indent=2) + "\n"
        for name, schema in schemas.items():
            path = ROOT / "web" / "docs" / name / f"{language}.md"
            files[path] = page(schema, words[name], language, path.read_text(encoding="utf-8") if path.is_file() else "")
    return files


def main() -> None:
    missing: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        for path, text in generated(Host(Path(folder)), missing).items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    for one in missing:
        print(f"to be translated: {one}", file=sys.stderr)


if __name__ == "__main__":
    main()
