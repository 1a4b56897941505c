scanmf_add_test(init/tall_qr_test RANKS 1 2 3 4 LABELS init)
