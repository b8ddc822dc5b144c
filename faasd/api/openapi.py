"""docs/openapi.yaml as JSON in a C++ file: openapi.py IN.yaml VERSION OUT.cpp, at build time."""

import json
import sys

import yaml

PIECE = 8_000  # of a string literal; compilers promise 65,536 characters


def main():
    source, version, target = sys.argv[1:]
    with open(source, encoding="utf-8") as file:
        document = yaml.safe_load(file)
    document["info"]["version"] = version
    text = json.dumps(document, ensure_ascii=True)
    pieces = [text[at:at + PIECE] for at in range(0, len(text), PIECE)]
    literal = "\n    ".join(f'R"json({piece})json"' for piece in pieces)
    with open(target, "w", encoding="utf-8") as file:
        file.write('#include "faasd/api/openapi.h"\n\nnamespace api {\n\n'
                   f"const std::string_view kOpenApi =\n    {literal};\n\n}}  // namespace api\n")


main()
