"""What the five earlier systems claimed, and the command that measures it here."""

from __future__ import annotations

from pathlib import Path

from musrec.evaluate.report import Report

_ROWS = (
    (
        "hybrid recommender",
        "content and collaborative filtering together beat either",
        "musrec evaluate recommend",
        "lastfm",
    ),
    (
        "hybrid recommender",
        "feedback, explicit and implicit, makes recommendations better",
        "musrec evaluate recommend",
        "lastfm",
    ),
    (
        "hybrid recommender",
        "listeners are satisfied",
        "musrec evaluate satisfaction",
        "",
    ),
    (
        "genre classification",
        "a CNN on mel spectrograms beats feature models on GTZAN",
        "musrec lab compare GTZAN --models lr,svc,mlp,cnn",
        "gtzan",
    ),
    (
        "genre classification",
        "a CRNN beats a CNN",
        "musrec lab compare GTZAN --models cnn,crnn",
        "gtzan",
    ),
    (
        "latent vectors",
        "vectors of a trained network find similar songs, by tree search",
        "musrec lab retrieve GTZAN --model crnn",
        "gtzan",
    ),
    (
        "distances on features",
        "Euclidean, cosine and correlation agree on what is near",
        "musrec lab retrieve GTZAN",
        "gtzan",
    ),
    (
        "distances on features",
        "the genre of any song can be told",
        "musrec evaluate genre",
        "gtzan",
    ),
    (
        "spectrogram images",
        "pictures of spectrograms find similar songs as well as features do",
        "musrec lab retrieve GTZAN",
        "gtzan",
    ),
    (
        "spectrogram images",
        "songs form clusters that can be named",
        "musrec lab clusters GTZAN",
        "gtzan",
    ),
)


def table(data: Path) -> Report:
    """Return each claim with its command, and whether its data is in the folder `data`."""
    rows = tuple(
        (
            system,
            claim,
            command.replace("GTZAN", str(data / "gtzan")),
            "ratings of members" if not needs else _there(data / needs),
        )
        for system, claim, command, needs in _ROWS
    )
    return Report(
        "The earlier systems' claims",
        "Each with the command that measures it; docs/numbers.md and docs/lab.md hold results.",
        ("system", "claim", "command", "data"),
        rows,
    )


def _there(folder: Path) -> str:
    return "there" if folder.is_dir() else f"missing: {folder}"
