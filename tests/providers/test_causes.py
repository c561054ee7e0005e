from providers import causes, causes_table


def test_every_cause_has_words():
    for cause in (*causes.OWNER_CAUSES.values(), *causes.OPERATOR_CAUSES.values()):
        assert cause.sentence.endswith(".")
        assert cause.action.endswith(".")
        assert cause.said
        assert "|" not in cause.said + cause.sentence + cause.action, "it stands in a table"
        assert causes.explain(cause.id) is cause
    assert causes.explain("a new one").id == causes.REFUSED
    assert causes.explain(causes.CONDITIONAL_ACCESS).admin
    assert not causes.explain(causes.REVOKED).admin


def test_no_two_causes_read_the_same():
    both = [*causes.OWNER_CAUSES.values(), *causes.OPERATOR_CAUSES.values()]
    assert len({cause.sentence for cause in both}) == len(both)


def test_the_document_has_the_causes_of_the_code():
    text = causes_table.DOCUMENT.read_text(encoding="utf-8")
    assert causes_table.inserted(text) == text, "run `make docs`"
