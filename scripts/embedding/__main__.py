"""Make the model of Weft's search by meaning: `python -m scripts.embedding WORK_FOLDER`.

What is done is kept in the folder, so an interrupted run goes on where it stopped. The same
packages, versions and kind of processor give the same model.
"""
# pyright: basic

import argparse
from pathlib import Path

import numpy as np

from scripts.embedding.corpus import Section, choose_passages, read_sections, read_sources
from scripts.embedding.judge import judge
from scripts.embedding.model import choose_pieces, write_model
from scripts.embedding.teacher import Teacher, encode_kept, find_tokenizer
from scripts.embedding.train import Lesson, learn
from weft.local.embedding.words import WordSplitter

DATA = Path(__file__).parents[2] / "src/weft/local/embedding/data"


def main() -> None:
    """Read the packages, ask the teacher, learn, and write the model or judge what was learned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "folder", type=Path, help="where packages and the teacher's vectors are kept"
    )
    parser.add_argument(
        "--judge",
        action="store_true",
        help="leave some packages out, and find their texts by title",
    )
    given = parser.parse_args()
    packages, shards = given.folder / "packages", given.folder / "shards"
    for folder in (packages, shards):
        folder.mkdir(parents=True, exist_ok=True)

    teacher = Teacher()
    words = (find_tokenizer() / "vocab.txt").read_text("utf-8").splitlines()
    chosen = choose_pieces(words)
    pieces = encode_kept(teacher, "pieces", words, shards)[chosen].astype(np.float32)
    splitter = WordSplitter({words[each]: number for number, each in enumerate(chosen)})
    passages, taught, sections, left_out = list[str](), list[np.ndarray](), [], list[Section]()
    for source in read_sources():
        found = read_sections(source, packages)
        if given.judge and source.judged:
            left_out += found
            continue
        read = choose_passages(source, found)
        passages += read
        taught.append(encode_kept(teacher, source.package, read, shards))
        sections += found
    lesson = Lesson(passages, np.concatenate(taught).astype(np.float32), sections)
    rows = learn(splitter, pieces, lesson)
    if given.judge:
        judge(splitter, rows, left_out)
        return
    told = {"dimensions": rows.shape[1], "passages": len(passages), "sections": len(sections)}
    print(write_model(DATA, [words[each] for each in chosen], rows, told))


if __name__ == "__main__":
    main()
