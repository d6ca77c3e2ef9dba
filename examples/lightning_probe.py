"""A Lightning fit learns XOR while a callback watches a probe: python lightning_probe.py [RUN]"""

import sys

import lightning
import torch
from torch.utils.data import DataLoader, TensorDataset

from rdmtools.integrations import probe_set
from rdmtools.integrations.lightning import ProbeCallback


class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        tanh, linear = torch.nn.Tanh(), torch.nn.Linear
        self.layers = torch.nn.Sequential(linear(2, 32), tanh, linear(32, 32), tanh, linear(32, 2))

    def forward(self, x):
        return self.layers(x)

    def training_step(self, batch, _):
        self.log("train_loss", loss := torch.nn.functional.cross_entropy(self(batch[0]), batch[1]))
        return loss

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.2)


path = sys.argv[1] if len(sys.argv) > 1 else "lightning_probe.parquet"
lightning.seed_everything(0)
points = 2 * torch.rand(1024, 2) - 1
train = TensorDataset(points, (points.prod(dim=1) > 0).long())
chosen = probe_set(train, 64, stratify=2 * (points[:, 0] > 0) + (points[:, 1] > 0))
probe = DataLoader(chosen.subset(train), batch_size=64)
watch = ProbeCallback(path, probe, every=4, samples=chosen.samples, overwrite=True)
quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
trainer = lightning.Trainer(max_epochs=25, callbacks=[watch], **quiet)
trainer.fit(Net(), DataLoader(train, batch_size=32, shuffle=True))
print(f"rdmtools analyze {path}")
