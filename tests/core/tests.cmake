scanmf_add_test(core/random_test RANKS 1 LABELS core)
scanmf_add_test(core/printable_test RANKS 1 LABELS core)
scanmf_add_test(core/crash_note_test RANKS 1 LABELS core)
scanmf_add_test(core/team_test RANKS 1 THREADS 1 3 LABELS core)
