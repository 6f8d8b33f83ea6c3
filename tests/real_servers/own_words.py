"""What a vLLM itself says of tokens, asked of it without expo."""

import json
import urllib.request


class OwnWords:
    def __init__(self, server):
        self.url = server.url

    def ask(self, prompts, **fields):
        body = {"model": "small", "prompt": prompts, "temperature": 0, **fields}
        request = urllib.request.Request(f"{self.url}/v1/completions", json.dumps(body).encode(),
                                         {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as response:
            choices = json.load(response)["choices"]
        return sorted(choices, key=lambda choice: choice["index"])

    def draw(self, prompts, tokens):
        """Its greedy answers to prompts of token ids, all asked at once: (ids, their log-probabilities) of each."""
        choices = self.ask(prompts, max_tokens=tokens, logprobs=1, return_token_ids=True)
        return [(choice["token_ids"], choice["logprobs"]["token_logprobs"]) for choice in choices]

    def read(self, prompt, answer):
        """The log-probabilities of the answer's tokens and, beside each, of the best token there, as it reads them."""
        choice, = self.ask([prompt + answer], max_tokens=1, prompt_logprobs=1)
        places = choice["prompt_logprobs"][len(prompt):]
        own = [place[str(token)]["logprob"] for token, place in zip(answer, places, strict=True)]
        return own, [max(each["logprob"] for each in place.values()) for place in places]

    def noise(self, prompts, tokens):
        """How far the log-probability of one token lies from itself between drawing and reading, at most."""
        return max(abs(one - other) for prompt, (ids, drawn) in zip(prompts, self.draw(prompts, tokens), strict=True)
                   for one, other in zip(drawn, self.read(prompt, ids)[0], strict=True))
