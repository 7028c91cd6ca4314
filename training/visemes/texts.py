"""What the synthesisers say. Written for this project or made by rules, so nobody else's words are needed."""

from __future__ import annotations

import random

_SUBJECTS = """
my brother | the old baker | a quiet neighbour | our small family | the young doctor | this famous painter | every visitor | the
woman next door | nobody here | a patient fisherman | the captain | your cousin Phoebe | mister Webb | the first driver | two
happy children | the French ambassador | an honest judge | Barbara | the village choir | one of my friends | the mayor of Boston |
a black puppy | the weather forecast | her favourite uncle | the thief | those voices | a strong wind | the mechanic | that shy
boy | the younger queen
"""
_VERBS = """
bought | finally found | has never seen | would rather choose | always remembers | might have broken | used to paint | should
bring | carefully watched | wants to measure | opened | will not believe | was looking for | heard about | moved | threw away |
may describe | kept | pushed | refused | is waiting for | could not reach | gave up | began with | enjoys | just washed | saved |
imagined | spoke of | prefers
"""
_OBJECTS = """
five fresh apples | a heavy wooden box | the beautiful garden | both of the blue vases | some warm milk and butter | an early
train | the answer to your question | a bigger boat | the whole story | coffee without sugar | those yellow flowers | the road to
the mountain | a pair of leather shoes | the treasure map | his father's voice | a good reason | the bridge over the river | white
paper and a pencil | thirty seven sheep | the television show | a foreign language | the edge of the roof | enough oil | the
judge's opinion | cheap jewels | a poem about birds | her usual chair | the moon and the stars | a cup of herbal tea | the measure
of success | wild mushrooms | chocolate pie
"""
_ENDINGS = """
before breakfast | on a rainy afternoon | with great pleasure | for the very first time | in the middle of the night | | | without
saying a word | because of the storm | at the far end of the street | every Thursday | when the power failed | beside the warm
fireplace | although we disagreed | since last February | as far as I know | if you ask me | until the music stopped | under the
thick fog | and then went home | but forgot to pay | though it was cold | just above the window | while people were watching | to
make us laugh
"""
_ASIDES = """
well | you know | of course | yes | no thank you | I am afraid | oh boy | perhaps | in my view | what a pity | why not | believe
me | so | good morning everybody | by the way | to be fair | please | how odd | thank you very much | wait a moment | maybe later
| welcome back
"""

# Syllables of each script; strings of them are words of no language that every voice reads by the rules of its own.
_SCRIPTS = {
    "latin": ("b p m f v d t n l r s z k g h j c sp st tr pl br fl m p b f", "a e i o u a e i o ai au ei", "n r s l m t"),
    "cyrillic": ("б п м ф в д т н л р с з к г х ж ш ч м п б в", "а е и о у я ю ы а о", "н р с л м т"),
    "greek": ("β π μ φ β δ τ ν λ ρ σ ζ κ γ χ θ μπ ντ", "α ε ι ο ου η αι", "ν ς"),
    "devanagari": ("ब प म फ व द त न ल र स ज क ग ह श च म प", "ा ि ी ु ू े ो ै", "न र स"),
    "arabic": ("ب م ف د ت ن ل ر س ز ك ق ح ج ش خ م ب", "ا ي و ا", "ن ر"),
    "hangul": ("바 버 보 부 비 마 모 무 미 파 포 푸 나 노 누 니 다 도 가 고 기 사 소 수 시 자 조 하 호 라 로 우 와 위", "", ""),
    "kana": ("ば ぶ ぼ ま み む も ぱ ぷ ふ わ か き こ さ し す そ た ち つ と な に の は ら り や ゆ あ い う え お", "", ""),
    "han": ("我 你 他 不 们 是 在 有 大 中 上 国 为 和 地 出 道 会 可 发 风 飞 平 明 北 本 木 母 法 佛 书 是 吃 说 鱼 雨 五 无", "", ""),
    "georgian": ("ბა პი მო ფუ ვე და ტი ნო ლა რე სი ზა კო გუ ჰა ჟი შა ჩე", "", ""),
    "thai": ("บา มี ปู พอ ฟา วัน ดี ตา นา ลา รู สี กา งู หา ชา จะ", "", ""),
    "tamil": ("பா மி பு வா தா நி லா ரு சா கா மோ பே", "", ""),
}
_EXTRA_LETTERS = {
    "fr": "é è ou eu an on in ch gn oi", "de": "ä ö ü ei eu sch ch", "sv": "å ä ö sj", "da": "å ø æ", "nb": "å ø æ",
    "fi": "ä ö yy aa", "hu": "á é ö ő ü gy sz cs", "cs": "á é í ř š č ž ou", "sk": "á é š č ž ô", "hr": "š č ž đ", "ro": "ă â ș ț",
    "es": "ñ ll rr ch ue", "pt-br": "ã õ ç lh nh", "ca": "ç ny ll ix", "nl": "ui oe ij eu sch", "et": "õ ä ö ü", "lv": "ā ē š č",
    "lt": "ė š č ž", "is": "á ð þ æ ö", "vi": "á à ơ ư đ nh ng", "az": "ə ö ü ş ç", "eo": "ĉ ŝ ĝ ŭ", "cy": "w y ll dd wy",
    "sq": "ë sh ç dh", "tr": "ı ö ü ş ç ğ", "pl": "ą ę ł sz cz ś", "it": "gl gn sci cc",
}  # fmt: skip


def english_sentences(count: int, seed: int) -> list[str]:
    """Sentences of plain English with every sound of the language; the same for the same seed."""
    choose = random.Random(seed)
    pick = lambda phrases: choose.choice(phrases.split("|")).strip()  # noqa: E731
    sentences = []
    for _ in range(count):
        words = [pick(_SUBJECTS), pick(_VERBS), pick(_OBJECTS), pick(_ENDINGS)]
        kind = choose.random()
        if kind < 0.25:
            words.insert(0, pick(_ASIDES) + ",")
        elif kind < 0.4:
            words.append(", " + pick(_ASIDES))
        elif kind < 0.5:
            words = [str(choose.randrange(1, 2000)), pick(_OBJECTS), "and", pick(_OBJECTS)]
        sentences.append(" ".join(" ".join(words).split()).replace(" ,", ",").capitalize() + choose.choice([".", ".", "!", "?"]))
    return sentences


def invented_sentences(language: str, script: str, count: int, seed: int) -> list[str]:
    """Sentences of invented words and numbers for an espeak-ng language written in this script."""
    choose = random.Random(f"{language} {seed}")
    onsets, nuclei, codas = (part.split() for part in _SCRIPTS[script])
    extra = _EXTRA_LETTERS.get(language, "").split()
    vowels = [letters for letters in extra if set("aeiouyéèáíäöüåøæőăâãõāēėơưəëąęàıôú") & set(letters)]
    consonants = [letters for letters in extra if letters not in vowels]

    def syllable() -> str:
        onset = choose.choice(consonants if consonants and choose.random() < 0.15 else onsets)
        nucleus = choose.choice(vowels if vowels and choose.random() < 0.25 else nuclei) if nuclei else ""
        return onset + nucleus + (choose.choice(codas) if codas and choose.random() < 0.25 else "")

    def sentence() -> str:
        words = ["".join(syllable() for _ in range(choose.choice([1, 2, 2, 3]))) for _ in range(choose.randrange(4, 10))]
        if choose.random() < 0.5:
            words.insert(choose.randrange(len(words)), str(choose.randrange(1, 1000)))
        if choose.random() < 0.4:
            words[len(words) // 2] += ","
        return " ".join(words) + "."

    return [sentence() for _ in range(count)]
