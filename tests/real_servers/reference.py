"""What transformers computes in float32, to hold the servers to."""

import peft
import torch
import transformers

torch.set_num_threads(2)


class Reference:
    """A model with its tokenizer, and with an adapter over it if there is one."""

    def __init__(self, folder, adapter=None):
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        self.model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        self.scales = []
        if adapter:
            self.model = peft.PeftModel.from_pretrained(self.model, adapter).eval()
            self.scales = [(layer.scaling, layer.scaling["default"]) for layer in self.model.modules()
                           if isinstance(layer, peft.tuners.lora.Linear)]

    def move_to(self, alpha):
        """θ + α(θ − θ_sft): the adapter at 1 + α times its own scale."""
        for scaling, trained in self.scales:
            scaling["default"] = (1 + alpha) * trained

    def prompt_ids(self, prompt):
        return self.tokenizer.apply_chat_template([{"role": "user", "content": prompt}], add_generation_prompt=True,
                                                  return_dict=True)["input_ids"]

    def answer_ids(self, answer):
        return self.tokenizer(answer, add_special_tokens=False)["input_ids"]

    @torch.inference_mode()
    def log_probs(self, ids, first):
        """Of every token of the vocabulary at each place from `first` on: [places, vocabulary]."""
        return torch.log_softmax(self.model(torch.tensor([ids])).logits[0, first - 1:-1], -1)

    def token_log_probs(self, prompt, answer):
        """Of each of the answer's tokens."""
        before, after = self.prompt_ids(prompt), self.answer_ids(answer)
        return self.log_probs(before + after, len(before)).gather(1, torch.tensor(after)[:, None])[:, 0].tolist()

    def gap_where_they_part(self, prompt, answer, other):
        """How far below the best log-probability the two tokens lie in which the answers first part, at most."""
        before, one, two = (self.prompt_ids(prompt), *(self.answer_ids(text) + [self.tokenizer.eos_token_id]
                                                        for text in (answer, other)))
        place = next(place for place, (a, b) in enumerate(zip(one, two)) if a != b)
        log_probs = self.log_probs(before + one[:place + 1], len(before))[place]
        return (log_probs.max() - log_probs[[one[place], two[place]]].min()).item()


def assert_greedy_answers_agree(reference, prompts, answers, others, tie=1e-2):
    """They part only where both tokens lie within `tie` of the best one."""
    for prompt, answer, other in zip(prompts, answers, others, strict=True):
        if answer != other:
            assert reference.gap_where_they_part(prompt, answer, other) < tie, (prompt, answer, other)


def drawn_distribution(log_probs, temperature, min_p, top_k, top_p):
    """The probabilities of a token by vLLM's order: temperature, min-p, top-k, top-p."""
    probs = torch.softmax(log_probs.double() / temperature, -1)
    probs[probs < min_p * probs.max()] = 0
    probs[probs < probs.topk(top_k).values[-1]] = 0
    probs /= probs.sum()
    ordered, places = probs.sort(descending=True)
    before = ordered.cumsum(0) - ordered
    probs[places[before >= top_p]] = 0
    return probs / probs.sum()
