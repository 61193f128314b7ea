"""Checks objects (JSON lines on standard input) against Kubernetes' own schemas, of each version named.

An unknown field is an error, as it is for `kubectl apply --validate=strict`. Prints what was checked as
`KIND VERSION`, and what is wrong to standard error.
"""

import functools
import json
import sys

from kubernetes_validate import utils

# The schemas are large; without this each object would read them anew.
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)


def main(versions):
    wrong = 0
    for line in sys.stdin:
        given = json.loads(line)
        where, thing = given["where"], given["object"]
        for version in versions:
            try:
                utils.validate(thing, version, strict=True)
                print(thing["kind"], version)
            except Exception as error:  # whatever it is, the object was not found to be good
                wrong += 1
                path = ".".join(str(part) for part in getattr(error, "path", []))
                message = getattr(error, "message", error)
                print(f"{where}: {thing['kind']} for {version}: {path}: {message}", file=sys.stderr)
    return 1 if wrong else 0


sys.exit(main(sys.argv[1:]))
