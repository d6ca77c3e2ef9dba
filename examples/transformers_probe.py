"""A tiny GPT-2 learns to copy; a callback watches a probe: python transformers_probe.py [RUN]"""

import sys
from tempfile import TemporaryDirectory

import torch
from torch.utils.data import DataLoader
from transformers import GPT2Config, GPT2LMHeadModel, Trainer, TrainingArguments, set_seed

from rdmtools.integrations import probe_set
from rdmtools.integrations.transformers import ProbeCallback

path = sys.argv[1] if len(sys.argv) > 1 else "transformers_probe.parquet"
set_seed(0)
words = torch.randint(1, 16, (2048, 4))
words[::4] = words[::4, :1]  # every fourth repeats one letter, which is easier
texts = torch.cat([words, torch.zeros(len(words), 1, dtype=torch.long), words], dim=1)  # abcd 0 abcd
labels = texts.clone()
labels[:, :5] = -100  # the copy alone counts
rows = [{"input_ids": text, "labels": label} for text, label in zip(texts, labels, strict=True)]
kinds = ["any letters" if place % 4 else "one letter" for place in range(len(rows))]
chosen = probe_set(rows, 64, stratify=kinds)
probe = DataLoader(chosen.subset(rows), batch_size=64)
watch = ProbeCallback(path, probe, every=4, samples=chosen.samples, overwrite=True)
config = GPT2Config(
    vocab_size=16, n_positions=9, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
)
with TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        folder,
        max_steps=600,
        per_device_train_batch_size=32,
        optim="sgd",
        learning_rate=0.2,
        logging_steps=20,
        save_strategy="no",
        report_to="none",
    )
    Trainer(GPT2LMHeadModel(config), arguments, train_dataset=rows, callbacks=[watch]).train()
print(f"rdmtools analyze {path}")
