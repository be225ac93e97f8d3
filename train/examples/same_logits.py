"""A folder that scca wrote, in transformers: python same_logits.py SCCA FOLDER"""
import json
import subprocess
import sys

import torch
import transformers

scca, folder = sys.argv[1:3]
ids = [1, 17, 250, 3, 99, 364, 2, 31, 80, 5, 411, 78]
flags = ["logits", "--model", folder, "--ids", ",".join(map(str, ids)), "--all", "--json"]
ours = torch.tensor(json.loads(subprocess.run([scca, *flags], capture_output=True, text=True, check=True).stdout)["logits"])
model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
with torch.no_grad():
    theirs = model(torch.tensor([ids])).logits[0]
error = float((ours - theirs).abs().max())
print(f"logits of {folder}: scca and transformers differ by {error:.1e} at most, of {float(theirs.abs().max()):.1f}")
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
text = "Call me Ishmael. 1234 tokens, cafés and\n\n  all that."
flags = ["tokenize", "--model", folder, "--text", text, "--json"]
mine = json.loads(subprocess.run([scca, *flags], capture_output=True, text=True, check=True).stdout)["ids"]
same = mine == tokenizer(text, add_special_tokens=False)["input_ids"]
print(f"ids of a text: {'the same' if same else 'NOT the same'}")
sys.exit(error > 1e-3 or not same)
