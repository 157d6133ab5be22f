"""The seed document's recipe, written down plainly: lists of windows, its model class, its loops.

What `classic` is measured against, by tests and by bench/classic.py. Only what both must share is handed in: the first
weights, the order of the windows and the seed of each step's dropout.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn, optim


class DocumentModel(nn.Module):
    """The document's network."""

    def __init__(self, n_vocab: int, hidden_size: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=hidden_size, num_layers=1, batch_first=True)
        self.dropout = nn.Dropout(0.2)
        self.linear = nn.Linear(hidden_size, n_vocab)

    def forward(self, x: Tensor) -> Tensor:
        x, _ = self.lstm(x)
        x = x[:, -1, :]
        logits: Tensor = self.linear(self.dropout(x))
        return logits


def document_training(
    raw_text: str,
    *,
    weights: Mapping[str, Tensor],
    seq_length: int,
    hidden_size: int,
    batch_size: int,
    orders: Sequence[Sequence[int]],
    seed_step: Callable[[int], None],
) -> tuple[list[float], dict[str, Tensor]]:
    """Train for an epoch over each order of the windows; return the sums it prints and the last weights."""
    text = raw_text.lower()
    chars = sorted(set(text))
    index = {c: i for i, c in enumerate(chars)}
    inputs = [[index[c] for c in text[i : i + seq_length]] for i in range(len(text) - seq_length)]
    targets = [index[text[i + seq_length]] for i in range(len(text) - seq_length)]
    x = torch.tensor(inputs, dtype=torch.float32).reshape(len(inputs), seq_length, 1) / float(len(chars))
    y = torch.tensor(targets)
    model = DocumentModel(len(chars), hidden_size)
    model.load_state_dict(dict(weights))
    optimizer = optim.Adam(model.parameters())
    loss_fn = nn.CrossEntropyLoss(reduction="sum")
    printed = []
    step = 0
    for order in orders:
        model.train()
        for begin in range(0, len(order), batch_size):
            batch = list(order[begin : begin + batch_size])
            seed_step(step)
            loss = loss_fn(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
        model.eval()
        total = 0.0
        with torch.no_grad():
            for begin in range(0, len(order), batch_size):
                batch = list(order[begin : begin + batch_size])
                total += float(loss_fn(model(x[batch]), y[batch]))
        printed.append(total)
    return printed, dict(model.state_dict())


def document_generation(path: str, prompt: str, length: int, hidden_size: int) -> str:
    """Read the document's file and write as the document does, greedily."""
    best_model, chars_to_int = torch.load(path)
    n_vocab = len(chars_to_int)
    int_to_chars = {i: c for c, i in chars_to_int.items()}
    model = DocumentModel(n_vocab, hidden_size)
    model.load_state_dict(best_model)
    pattern = [chars_to_int[c] for c in prompt]
    written = []
    model.eval()
    with torch.no_grad():
        for _ in range(length):
            x = torch.tensor(pattern, dtype=torch.float32).reshape(1, len(pattern), 1) / float(n_vocab)
            choice = int(model(x).argmax())
            written.append(int_to_chars[choice])
            pattern.append(choice)
            pattern = pattern[1:]
    return "".join(written)
