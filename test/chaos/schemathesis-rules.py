"""
Schemathesis' check that valid requests are accepted, for rules that JSON Schema cannot express: relations between fields, JSON
inside a string, and what only the loaded model knows. Any other 400 is still a failure. Loaded by schemathesis.ts.
"""
import re

import schemathesis
from schemathesis.specs.openapi.checks import positive_data_acceptance

RULES = re.compile(
    "|".join(
        [
            # Relations between fields.
            "expected the id of a call in an earlier assistant message",
            "expected a unique name",
            "expected the name of one of the tools",
            'expected "none" or "auto" without tools',
            "expected one format of the answer, got two",
            'expected together with "logprobs": true',
            "^continue_final_message: expected",
            "expected at most 128 answers to all prompts",
            "^input: expected at least one message",
            # What was said before, and limits of the whole body.
            "expected the id of a recent response or item",
            "^body: expected at most",
            # JSON inside a string, and schemas that no grammar can enforce.
            "expected the text of a JSON object",
            r"\(at #",
            "compile",
            # The model: its context, vocabulary, vectors and chat template.
            "must have fewer than .* tokens together",
            "An embedding takes at most",
            "expected token ids from 0 to",
            "ends the answer and cannot be biased",
            r"^dimensions: expected \d+, the size",
            "The model's chat template refuses",
        ]
    )
)


@schemathesis.check
def valid_data_acceptance(ctx, response, case):
    if response.status_code == 400:
        if RULES.search(response.json()["error"]["message"]):
            return None
    return positive_data_acceptance(ctx, response, case)
