"""What is said of a template before it is published: every mistake, its place, how to mend it."""

from pathlib import Path

import pytest

from dangol.documents import DefinitionSet, read_texts
from dangol_dispatcher.template_check import check

SHOP = "workspace: default\npacks: [kr]\nsender: {name: Shop, email: a@shop.example, refuse: 080-1}\n"


def said(template: str, workspace: str = SHOP, **files: str) -> list[str]:
    texts = {"workspace.yaml": workspace, "templates/t.yaml": template}
    texts |= {f"templates/{name.replace('_', '.')}": text for name, text in files.items()}
    documents, problems = read_texts(texts)
    assert not problems, problems
    return [f"{one.line}:{one.column} {one.code}" for one in check(DefinitionSet(1, "default", tuple(documents)))]


def test_a_good_template_has_nothing_to_mend() -> None:
    assert said("template: t\ncategory: marketing\nemail: {subject: s, text: '{{ profile.name | upcase }}'}\n") == []


@pytest.mark.parametrize(
    ("template", "problems"),
    [
        ("template: t\nemail: {subject: s, text: t}\n", ["1:1 bad_category"]),
        ("template: t\ncategory: promo\nsms: {text: t}\n", ["2:11 bad_category"]),
        ("template: t\ncategory: marketing\n", ["1:1 no_content"]),
        ("template: t\ncategory: marketing\nemail: {text: t}\n", ["3:1 missing_subject"]),
        ("template: t\ncategory: marketing\nemail: {subject: s}\n", ["3:1 missing_body"]),
        ("template: t\ncategory: marketing\nsms: {txt: t}\n", ["3:7 unknown_field", "3:1 missing_text"]),
        ("template: t\ncategory: marketing\nsms: t\n", ["3:6 bad_content"]),
        ("template: t\ncategory: marketing\nsms: {text: t}\nemial: {subject: s}\n", ["4:1 unknown_channel"]),
        ("template: t\ncategory: marketing\nsms: {text: '{{ profile.name | upcas }}'}\n", ["3:32 unknown_filter"]),
        ("template: t\ncategory: marketing\nsms:\n  text: |\n    one\n    {% if x %}\n", ["6:5 liquid_syntax"]),
        ("template: t\ncategory: marketing\nsms: {text: '{{ profil.name }}'}\n", ["3:17 unknown_name"]),
        ("template: t\ncategory: marketing\nsms: {text: '[광고] x'}\n", ["3:13 wrong_label"]),
        (
            "template: t\ncategory: transactional\nalimtalk: {code: A, text: '#{a} {{ x }}', fill: {b: y}}\n",
            ["3:33 liquid_in_approved_text", "3:27 missing_fill", "3:50 unused_fill"],
        ),
        ("template: t\ncategory: marketing\nalimtalk: {code: A, text: x}\n", ["3:1 advert_on_alimtalk"]),
        (
            "template: t\ncategory: marketing\nsms: {text: t}\nlocales: {en: {smss: {text: t}}}\n",
            ["4:16 unknown_channel"],
        ),
    ],
)
def test_each_mistake_has_its_place(template: str, problems: list[str]) -> None:
    assert said(template) == problems


def test_a_mistake_in_another_file_has_its_place_there() -> None:
    mjml = "<mjml>\n<mj-body>\n{{ profile.name | upcas }}\n</mj-body></mjml>"
    template = "template: t\ncategory: marketing\nemail: {subject: s, mjml: mail.mjml}\n"
    assert "3:19 unknown_filter" in said(template, mail_mjml=mjml)


def test_mjml_that_cannot_be_read_is_told() -> None:
    template = "template: t\ncategory: marketing\nemail: {subject: s, mjml: '<mjml><mj-body></mjml>'}\n"
    assert [one.split()[1] for one in said(template)] == ["bad_mjml"]


def test_the_law_wants_a_sender_and_a_free_way_out() -> None:
    template = "template: t\ncategory: marketing\nemail: {subject: s, text: t}\nsms: {text: t}\n"
    assert said(template, "workspace: default\npacks: [kr]\n") == ["3:1 no_sender", "4:1 no_free_refusal"]


def test_all_mistakes_come_at_once_with_a_hint() -> None:
    texts = {"workspace.yaml": SHOP, "templates/t.yaml": "template: t\nemail: {subjct: s}\nsms: {text: '{{ x'}\n"}
    documents, _ = read_texts(texts)
    found = check(DefinitionSet(1, "default", tuple(documents)))
    assert {one.code for one in found} >= {"bad_category", "unknown_field", "missing_subject", "missing_body"}
    assert all(one.file == "templates/t.yaml" and one.hint for one in found)


def test_the_starter_is_without_fault() -> None:
    from dangol.documents import read_dir

    documents, problems = read_dir(Path("shared/dangol/starter"))
    assert not problems
    assert check(DefinitionSet(1, "default", tuple(documents))) == []
