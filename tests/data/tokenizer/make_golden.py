#!/usr/bin/env python3
"""Writes golden.jsonl and code_points.txt: what Python makes of nasty texts and of every code point.

Python is the reference of the tokenisers. Made with Python 3.11 (Unicode 14); any Python 3 runs it.
"""
import json
import pathlib
import re
import sys
import unicodedata

PUNCTUATION = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~'
LINE_BREAK = re.compile(r"</?br(?:[ \t\n\f\r/][^<>]*)?>", re.IGNORECASE | re.ASCII)


def words(text, lowercase=True, strip_html=True):
    if strip_html:
        text = LINE_BREAK.sub(" ", text)
    if lowercase:
        text = text.lower()
    return text.translate({ord(c): " " for c in PUNCTUATION + "\t\n\r"}).split()


def keras(text, lowercase=True, strip_html=False):
    """tf.keras.preprocessing.text.text_to_word_sequence(text, lower=lowercase)."""
    if lowercase:
        text = text.lower()
    text = text.translate({ord(c): " " for c in PUNCTUATION + "\t\n"})
    return [word for word in text.split(" ") if word]


def whitespace(text, lowercase=False, strip_html=False):
    return text.split()


WHITE = [chr(c) for c in range(0x110000) if chr(c).isspace()]
TEXTS = [
    "", " ", "   ", "a", "A", " a ", "a  b", "The quick brown FOX", "it's it’s 'tis dogs' '' '",
    "one,two;three...four", "snake_case kebab-case a/b\\c", "e-mail: me@example.com (100%) #1 $5 ^_^ `x` {y} ~z|",
    "tab\tnewline\nreturn\r\nvertical\vform\fend", "a\rb", "a\x00b \x00", "\x7f \x01",
    "<br>", "<br/>", "<br />", "<BR>", "<Br  />", "<bR\t/>", "<br\n>", "<br / >", "</br>", "</BR >", "a<br>b<br><br />c",
    '<br clear="all">x', "<br class='y'/>z", "< br >", "<br", "<br ", "<br a", "<b>bold</b>", "<break>", "<broken",
    "<br<br>", "<br <br>", "<br/<br/>>", "<<br>>", "<br\u00a0/>", "<br\v>", "<br\x00>", "<BR\u017f>", "</ br>", "<//br>",
    "Σ", "ΑΣ", "ΑΣ Β", "ΑΣΒ", "ΟΔΥΣΣΕΥΣ ΣΟΦΟΣ", "ΑΣ.", "ΑΣ.Β", "ΑΣ'Β", "Α'Σ", "'Σ", "ΑΣ'", "ΑΣ''''Β", "ΑΣ\u00adΒ", "ΑΣ\u0301Β",
    "Α\u0301Σ", "Α.Σ", "Α Σ", "1Σ", "Α1Σ", "ΑΣ1", "ΣΣ", "ΑΣΣ", "ΑΣ<br>Β", "ΑΣ Β", "\u02b0Σ", "ΑΣ\u02b0", "ǅΣ", "𝐀Σ", "ªΣ", "ΑΣ\u200dΒ",
    "ΑΣ\U000e0001Β", "Σ" * 5, "Α" + "'" * 40 + "Σ" + "'" * 40, "ΑΣ\u00a0Β", "aΣb aΣ", "ͅΣ", "ᾼΣ",
    "İSTANBUL İ I ı i", "i̇ İ̇", "DİYARBAKIR", "ǅ ǈ ǋ Ǳ ǲ", "ẞ ß STRASSE Straße", "ﬁ ﬂ ﬀ ﬃ ﬅ ﬆ", "K Å Ω", "Ⱥ Ⱦ ⱥ", "ȺȾȺȾ",
    "É É e\u0301 E\u0301", "ÅNGSTRÖM", "ЁЖИК Ѐ", "Ԥ Ꙁ Ა ა Ꭰ ꭰ", "ϴ ẛ ſ ŉ ŉ ΐ ΰ", "ὈΔΥΣΣΕΎΣ ᾳ ᾼ ᾈ", "𐐀 𐐨 𞤀 𞤢 𝔸", "Ⓐ ⓐ Ⅷ ⅷ",
    "日本語のテキスト 中文 한국어", "日本語　全角　スペース", "ＦＵＬＬ　ＷＩＤＴＨ！", "emoji 😀👍🏽 👨‍👩‍👧 🇩🇪 ❤️", "zero\u200bwidth\u200cjoin\u200der\ufeffbom\u2060wj",
    "soft\u00adhyphen", "nbsp\u00a0nnbsp\u202fmmsp\u205fideographic\u3000ogham\u1680x", "nel\u0085ls\u2028ps\u2029end",
    "fs\x1cgs\x1drs\x1eus\x1fend", "mongolian\u180evowel", "RTL שלום \u200fعالم\u200e", "नमस्ते दुनिया", "ไทยไม่มีช่องว่าง", "“quotes” — dash… «fr» ¿qué?",
    "\u0301combining first", "noncharacter\ufffe\uffff\U0010ffff", "private\ue000", "\u00a0", "\u3000\u2003", "x" * 300, "A" * 7 + "Ä" * 7,
    "a" * 15 + " " + "b" * 16 + "é", "a " * 40, "é " * 40, "".join(WHITE), "a".join(WHITE), "a".join([""] + WHITE + [""]),
    "".join(chr(c) for c in range(128)), " ".join(chr(c) for c in range(128)), "a".join(chr(c) for c in range(128)),
    "".join(chr(c) for c in range(128, 0x250)), "This movie was great!<br /><br />I loved it -- 10/10, really. Mr. O'Brien's best.",
]
CONFIGS = [(words, True, True), (words, True, False), (words, False, True), (keras, True, False), (keras, False, False),
           (whitespace, False, False)]


def ranges(name, belongs, file):
    """Lines `name first last` for the code points that belong; surrogates are no code points of UTF-8."""
    first = None
    for c in range(0x110001):
        inside = c < 0x110000 and not 0xD800 <= c < 0xE000 and belongs(chr(c))
        if inside and first is None:
            first = c
        elif not inside and first is not None:
            print(name, f"{first:x} {c - 1:x}", file=file)
            first = None


def ends_final(prefix):
    return (prefix + "Σ").lower().endswith("ς")


def main():
    here = pathlib.Path(__file__).parent
    with open(here / "golden.jsonl", "w") as file:
        for text in TEXTS:
            for tokenize, lowercase, strip_html in CONFIGS:
                print(json.dumps({"type": tokenize.__name__, "lowercase": lowercase, "strip_html": strip_html, "text": text,
                                  "words": tokenize(text, lowercase, strip_html)}), file=file)
    with open(here / "code_points.txt", "w") as file:
        print(f"# Python {sys.version_info[0]}.{sys.version_info[1]}, Unicode {unicodedata.unidata_version}", file=file)
        ranges("unassigned", lambda s: unicodedata.category(s) == "Cn", file)
        ranges("white", str.isspace, file)
        ranges("ignorable", lambda s: ends_final("a" + s) and not ends_final("-" + s), file)
        ranges("cased", lambda s: ends_final("-" + s), file)
        for c in range(0x110000):
            if chr(c).lower() != chr(c):
                print("lower", f"{c:x}", chr(c).lower().encode().hex(), file=file)


if __name__ == "__main__":
    main()
