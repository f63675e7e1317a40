"""Which song next, for whom, and why: a score that is always a sum of named terms.

`Recommender` is the way in. Beneath it, one module a question: what is known of members
(`evidence`), what they like in common (`collaborative`), what one of them means by similar
(`taste`), how much each of these counts (`hybrid`), what a song scores (`scoring`), which songs may
stand together (`variety`) and how to say it (`explain`).
"""

from musrec.recommend.recommender import Picks, Recommender, Request
from musrec.recommend.scoring import Seed

__all__ = ["Picks", "Recommender", "Request", "Seed"]
