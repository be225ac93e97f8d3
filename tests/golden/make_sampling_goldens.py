"""Makes tests/golden/sampling.json: from which probabilities transformers (5.24.0) samples, under settings that narrow the choice.

Run again it writes the same bytes.
"""

import json
import pathlib

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM
from transformers.generation.logits_process import (LogitsProcessorList, MinPLogitsWarper, RepetitionPenaltyLogitsProcessor, TemperatureLogitsWarper,
                                                    TopKLogitsWarper, TopPLogitsWarper)

HERE = pathlib.Path(__file__).resolve().parent

LOGITS = [[2.5, -1.0, 0.75, 2.25, -3.5, 1.0, 0.0, -0.25, 1.75], [-4.0, -0.5, -1.5, -0.75, -2.25, -0.625, -8.0, -3.0, -1.0]]
SEEN = [3, 1, 3, 8, 5]
SETTINGS = [{}, {"temperature": 0.5}, {"temperature": 1.75}, {"top_k": 1}, {"top_k": 4}, {"top_k": 20}, {"top_p": 0.3}, {"top_p": 0.8}, {"min_p": 0.1},
            {"min_p": 0.5}, {"min_p": 1.0}, {"repetition_penalty": 1.3}, {"repetition_penalty": 0.8}, {"top_k": 5, "top_p": 0.7},
            {"top_k": 6, "min_p": 0.2}, {"top_p": 0.9, "min_p": 0.15}, {"temperature": 2.0, "top_p": 0.75}, {"temperature": 0.7, "min_p": 0.05},
            {"temperature": 1.5, "top_k": 6, "top_p": 0.85, "min_p": 0.12, "repetition_penalty": 1.2}]


def processors(temperature=1.0, top_k=0, top_p=1.0, min_p=0.0, repetition_penalty=1.0):
    """In the order in which transformers puts them together."""
    made = LogitsProcessorList()
    if repetition_penalty != 1:
        made.append(RepetitionPenaltyLogitsProcessor(repetition_penalty))
    if temperature != 1:
        made.append(TemperatureLogitsWarper(temperature))
    if top_k:
        made.append(TopKLogitsWarper(top_k))
    if top_p < 1:
        made.append(TopPLogitsWarper(top_p))
    if min_p:
        made.append(MinPLogitsWarper(min_p))
    return made


def check_order():
    """That the order above is what generate() itself would use."""
    model = LlamaForCausalLM(LlamaConfig(vocab_size=9, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1))
    config = GenerationConfig(do_sample=True, temperature=1.5, top_k=6, top_p=0.85, min_p=0.12, repetition_penalty=1.2)
    own = [type(one) for one in model._get_logits_processor(config, input_ids_seq_length=5)]
    ours = [type(one) for one in processors(**SETTINGS[-1])]
    assert own == ours, own


def main():
    check_order()
    cases = []
    for logits in LOGITS:
        for settings in SETTINGS:
            scores = processors(**settings)(torch.tensor([SEEN]), torch.tensor([logits], dtype=torch.float64))
            cases.append(json.dumps({"logits": logits, "seen": SEEN, **settings, "probabilities": [round(p, 12) for p in scores.softmax(-1)[0].tolist()]}))
    (HERE / "sampling.json").write_text("[" + ",\n".join(cases) + "]\n")


if __name__ == "__main__":
    main()
