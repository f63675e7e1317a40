"""Which song next, for which member, and why: a score is always a sum of named terms.

`Recommender` is the way in. Each module below it answers one question: what is known about members
(`evidence`), what they like in common (`collaborative`), what "similar" means to one of them
(`taste`), how much each of these counts (`hybrid`), what a song scores (`scoring`), which songs may
share a list (`variety`), which word says how close two songs sound (`closeness`) and how to put the
reason into words (`explain`). `group` stands beside them: one list for several members.
"""

from musrec.recommend.recommender import Picks, Recommender, Request
from musrec.recommend.scoring import Seed

__all__ = ["Picks", "Recommender", "Request", "Seed"]
