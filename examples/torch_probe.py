"""A network learns the parity of three bits of twenty, and a probe set of both answers watches: nothing is
learned for a while, then all of it."""

import sys

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from rdmtools import ProbeLogger
from rdmtools.integrations import probe_set
from rdmtools.integrations.torch import GaussianProbe, per_sample_losses

torch.manual_seed(0)
torch.set_num_threads(1)  # the fastest for a network this small
inputs = 1.0 - 2 * torch.randint(2, (10_000, 20))
targets = (inputs[:, :3].prod(dim=1) < 0).long()
dataset = TensorDataset(inputs, targets)
path = sys.argv[1] if len(sys.argv) > 1 else "torch_probe.parquet"
probe = probe_set(dataset, 128, stratify=targets, seed=0)
batches = DataLoader(probe.subset(dataset), batch_size=64)

model = nn.Sequential(nn.Linear(20, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 2))
for parameter in model.parameters():
    parameter.data.mul_(0.3)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
around = GaussianProbe(model, 0.02, draws=8, seed=0, relative=True)

with ProbeLogger(path, samples=probe.samples, metadata={"task": "parity"}, overwrite=True) as log:
    for step in range(2001):
        if step % 10 == 0:
            log(step, per_sample_losses(model, batches))
            log.draws(step, around(step, batches))
        rows = torch.randint(len(inputs), (64,))
        functional.cross_entropy(model(inputs[rows]), targets[rows]).backward()
        optimizer.step()
        optimizer.zero_grad()
print(f"rdmtools analyze {path}")
