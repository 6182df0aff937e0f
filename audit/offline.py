"""Pages in one file that need neither this console nor a network: the verifier's modules, put together and inlined.

Such a page carries its own content security policy. It may run exactly the script and the style that stand in it, and
may not send or fetch anything.
"""

import functools
import hashlib
import json
import re
from base64 import b64encode
from pathlib import Path

from django.conf import settings

_IMPORT = re.compile(r'^import \{([^}]*)\} from "\./([a-z0-9_]+\.js)";\n', re.M)
_EXPORT = re.compile(r"^export (?=(?:const|class|(?:async )?function\*?) ?(\[[^\]]*\]|[A-Za-z_$][\w$]*))", re.M)
_NAME = re.compile(r"[A-Za-z_$][\w$]*")


@functools.cache
def verify_page() -> bytes:
    """`verify.html`, as it lies in every bundle."""
    return page("verify", "verify_page.js").encode()


def page(name: str, script: str, data: object = None) -> str:
    """The template of this name with style, script and data. The data stays text: nothing in it is markup."""
    style = f"\n{_read('css', 'offline.css')}"
    code = f"\n{bundled(script)}"
    policy = "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_source(code)}'",
            f"style-src '{_source(style)}'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )
    parts = {"POLICY": policy, "STYLE": style, "SCRIPT": code, "DATA": _inert(data)}
    template = (Path(settings.BASE_DIR) / "templates" / "offline" / f"{name}.html").read_text()
    return re.sub(r"%([A-Z]+)%", lambda found: parts[found[1]], template)


def _source(text: str) -> str:
    return f"sha256-{b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _inert(data: object) -> str:
    """JSON in which no tag, comment or entity can begin."""
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def bundled(entry: str) -> str:
    """One script of the module and all that it imports, each in a scope of its own, those that are needed first."""
    modules: dict[str, str] = {}
    _gather(entry, modules, ())
    text = '"use strict";\nconst modules = {};\n' + "\n".join(modules.values())
    if re.search(r"</script|<!--", text, re.I):
        raise ValueError("A script that is inlined may not hold its own end.")
    return text


def _gather(name: str, modules: dict[str, str], path: tuple[str, ...]) -> None:
    if name in path:
        raise ValueError(f"These modules need each other: {' → '.join((*path, name))}")
    if name in modules:
        return
    text = _read("js", "audit", name)
    for _, other in _IMPORT.findall(text):
        _gather(other, modules, (*path, name))
    modules[name] = _scoped(name, text)


def _scoped(name: str, text: str) -> str:
    exports = [word for found in _EXPORT.findall(text) for word in _NAME.findall(found)]
    body = _IMPORT.sub(lambda found: f'const {{{found[1]}}} = modules["{found[2]}"];\n', text)
    body = _EXPORT.sub("", body)
    if re.search(r"^(import|export)\b", body, re.M):
        raise ValueError(f"{name} imports or exports in a way that cannot be inlined.")
    return f'\n// {name}\nmodules["{name}"] = (() => {{\n{body}return {{ {", ".join(exports)} }};\n}})();\n'


def _read(*parts: str) -> str:
    return Path(settings.BASE_DIR, "static", *parts).read_text()
