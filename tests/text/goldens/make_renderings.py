"""What transformers makes of templates/*.jinja for every conversation of conversations.json.

    make_renderings.py            writes expected.jsonl beside this file
    make_renderings.py --check    fails where the installed transformers renders otherwise
"""

import datetime
import json
import sys
from pathlib import Path
from unittest import mock

from transformers.utils import chat_template_utils

HERE = Path(__file__).parent
NOW = datetime.datetime(2024, 7, 26, 9, 5, 3)


def render(template, messages, add_generation_prompt):
    """{"expected": text}, or {"error": why}."""
    with mock.patch.object(chat_template_utils, "datetime", mock.Mock(wraps=datetime.datetime)) as clock:
        clock.now.return_value = NOW
        try:
            rendered, _ = chat_template_utils.render_jinja_template(
                conversations=[messages], chat_template=template, add_generation_prompt=add_generation_prompt,
                bos_token="<s>", eos_token="</s>", date_string="26 Jul 2024")
        except Exception as error:  # whatever it is, the template refuses
            return {"error": f"{type(error).__name__}: {error}"}
    return {"expected": rendered[0]}


def expected():
    conversations = json.loads((HERE / "conversations.json").read_text(encoding="utf-8"))
    for path in sorted((HERE / "templates").glob("*.jinja")):
        source = path.read_text(encoding="utf-8")
        for name, messages in conversations.items():
            for prompt in (True, False):
                yield {"template": path.stem, "conversation": name, "add_generation_prompt": prompt,
                       **render(source, messages, prompt)}


def main():
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in expected())
    golden = HERE / "expected.jsonl"
    if "--check" not in sys.argv:
        golden.write_text(text, encoding="utf-8")
    elif golden.read_text(encoding="utf-8") != text:
        sys.exit("transformers renders otherwise than expected.jsonl says")


if __name__ == "__main__":
    main()
