from providers import causes


def test_every_cause_has_words():
    for cause in (*causes.OWNER_CAUSES.values(), *causes.OPERATOR_CAUSES.values()):
        assert cause.sentence.endswith(".")
        assert cause.action.endswith(".")
        assert causes.explain(cause.id) is cause
    assert causes.explain("a new one").id == causes.REFUSED
    assert causes.explain(causes.CONDITIONAL_ACCESS).admin
    assert not causes.explain(causes.REVOKED).admin
