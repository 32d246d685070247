# SPDX-License-Identifier: Apache-2.0
"""validate.py SCHEMAS: check the JSON document on stdin against SCHEMAS/NAME.json,
where NAME is taken from its "schema": "hsmctl/NAME/v1"."""
import json
import re
import sys

import jsonschema

document = json.load(sys.stdin)
name = re.fullmatch(r"hsmctl/([a-z0-9-]+)/v1", document["schema"]).group(1)
with open(f"{sys.argv[1]}/{name}.json") as f:
    schema = json.load(f)
jsonschema.Draft202012Validator.check_schema(schema)
errors = list(jsonschema.Draft202012Validator(schema).iter_errors(document))
for e in errors:
    print(f"{'/'.join(map(str, e.path))}: {e.message}", file=sys.stderr)
sys.exit(bool(errors))
