(* The exponent depends on the family up to linear changes of coordinates only.
   `lyapunov_compare`: a bound of the products of one family by those of another one bounds its exponent (any change of norm is
   the case of one family); `lyapunov_intertwined`: a linear map S with a right inverse that carries the steps of A into those of B;
   `same_gram_same_lyapunov`: the steps v -> v - eta f_i(v) a_i depend on the numbers f_i(a_j) only. *)
From Coq Require Import Reals Lra Lia Psatz Arith List.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent.
Import ListNotations.
Open Scope R_scope.

Section Compare.
Variables (d d' N : nat) (p p' : nat -> R) (A B : nat -> mat).
Hypothesis Hp : probability N p.
Hypothesis Hpp : forall i, (i < N)%nat -> p' i = p i.
Hypothesis Hd : (0 < d)%nat.
Hypothesis Hd' : (0 < d')%nat.

Lemma probability_ext : probability N p'.
Proof. split. intros i Hi. rewrite Hpp by auto. now apply Hp. rewrite (rsum_ext N p' p) by auto. apply Hp. Qed.

Lemma word_prob_ext w : (forall i, In i w -> (i < N)%nat) -> word_prob p' w = word_prob p w.
Proof.
  induction w as [|i w IH]; simpl; intros Hw; auto.
  rewrite Hpp by (apply Hw; now left). rewrite IH; auto.
Qed.

Theorem lyapunov_compare C : 0 < C ->
  (forall w, (forall i, In i w -> (i < N)%nat) -> frobenius d' (word_product d' B w) <= C * frobenius d (word_product d A w)) ->
  (lyapunov d' N p' B <= lyapunov d N p A)%ext.
Proof.
  intros HC H. apply ext_le_from_bounds. intros x Hx. apply (lyapunov_at_most d N p A Hp Hd) in Hx.
  apply (lyapunov_at_most d' N p' B probability_ext Hd'). intros c Hc.
  set (c' := (x + c) / 2). destruct (Hx c') as [n0 Hn0]. unfold c'; lra.
  destruct (INR_unbounded (Rabs (ln C) / (c - c'))) as [n1 Hn1]. exists (n0 + n1)%nat. intros n Hn.
  destruct (Hn0 n ltac:(lia)) as [delta [Hdelta Hlog]]. exists (C * delta). split. now apply Rmult_lt_0_compat.
  apply Rle_trans with (ln C + truncated_log d N p A n delta).
  - unfold truncated_log.
    rewrite <- (words_mean d' N p' B), <- (words_mean d N p A), <- (word_mean_const d N p A Hp n (ln C) eye).
    rewrite <- (words_mean d N p A n (fun _ => ln C)). rewrite <- list_sum_plus. apply list_sum_le. intros w Hw.
    pose proof (words_valid N n w Hw) as Hv. rewrite word_prob_ext, <- Rmult_plus_distr_l by auto.
    apply Rmult_le_compat_l. left. now apply (word_prob_pos N p Hp).
    assert (0 < Rmax (frobenius d (word_product d A w)) delta) by (eapply Rlt_le_trans; [exact Hdelta | apply Rmax_r]).
    rewrite <- ln_mult by auto. apply ln_le_ln. eapply Rlt_le_trans; [| apply Rmax_r]. now apply Rmult_lt_0_compat.
    apply Rmax_lub.
    + eapply Rle_trans; [now apply H|]. apply Rmult_le_compat_l; [lra | apply Rmax_l].
    + apply Rmult_le_compat_l; [lra | apply Rmax_r].
  - assert (Hgap : 0 < c - c') by (unfold c'; lra).
    assert (INR n1 <= INR n) by (apply le_INR; lia). pose proof (Rle_abs (ln C)).
    assert (Rabs (ln C) <= (c - c') * INR n).
    { apply Rmult_le_reg_r with (/ (c - c')). now apply Rinv_0_lt_compat. replace ((c - c') * INR n * / (c - c')) with (INR n) by (field; lra).
      fold (Rabs (ln C) / (c - c')). lra. }
    replace (c * INR n) with (c' * INR n + (c - c') * INR n) by ring. lra.
Qed.
End Compare.

Section Extensionality.
Variables (d N : nat) (p p' : nat -> R) (A B : nat -> mat).
Hypothesis Hd : (0 < d)%nat.
Hypothesis HAB : forall i, (i < N)%nat -> mat_eq d (B i) (A i).
Lemma word_product_ext w : (forall i, In i w -> (i < N)%nat) -> mat_eq d (word_product d B w) (word_product d A w).
Proof.
  induction w as [|i w IH]; intros Hw; simpl. intros j k _ _; reflexivity.
  apply mul_ext. apply HAB, Hw; now left. apply IH. intros; apply Hw; now right.
Qed.
End Extensionality.

Theorem lyapunov_ext d N p p' A B : probability N p -> (0 < d)%nat -> (forall i, (i < N)%nat -> p' i = p i) ->
  (forall i, (i < N)%nat -> mat_eq d (B i) (A i)) -> lyapunov d N p' B = lyapunov d N p A.
Proof.
  intros Hp Hd Hpp HAB. apply ext_le_antisym.
  - apply (lyapunov_compare d d N p p' A B Hp Hpp Hd Hd 1); [lra|]. intros w Hw.
    rewrite (frobenius_ext d _ _ (word_product_ext d N A B HAB w Hw)). lra.
  - assert (Hp' : probability N p') by (now apply (probability_ext N p)).
    apply (lyapunov_compare d d N p' p B A Hp' (fun i Hi => eq_sym (Hpp i Hi)) Hd Hd 1); [lra|]. intros w Hw.
    rewrite (frobenius_ext d _ _ (word_product_ext d N A B HAB w Hw)). lra.
Qed.

(* ---------- linear maps between families ---------- *)
(* Equality of the entries with i < m, j < n *)
Definition entries_eq (m n : nat) (A B : mat) := forall i j, (i < m)%nat -> (j < n)%nat -> A i j = B i j.

Lemma mul_entries m k n A A' B B' : entries_eq m k A A' -> entries_eq k n B B' -> entries_eq m n (mul k A B) (mul k A' B').
Proof. intros H K i j Hi Hj. apply rsum_ext. intros l Hl. now rewrite H, K. Qed.

Lemma entry_le_frobenius d X i j : (i < d)%nat -> (j < d)%nat -> Rabs (X i j) <= frobenius d X.
Proof.
  intros Hi Hj. unfold frobenius. rewrite <- sqrt_Rsqr_abs. apply sqrt_le_1_alt. unfold Rsqr.
  replace (X i j * X i j) with (X i j ^ 2) by ring.
  eapply Rle_trans; [| apply (rsum_term_le d (fun i => rsum d (fun j => X i j ^ 2)) i Hi); intros; apply rsum_nonneg; intros; apply sq_nonneg].
  apply (rsum_term_le d (fun j => X i j ^ 2) j Hj). intros; apply sq_nonneg.
Qed.

Lemma frobenius_sandwich d d' S T : exists C, 0 < C /\ forall X, frobenius d' (mul d S (mul d X T)) <= C * frobenius d X.
Proof.
  set (s := fun i => rsum d (fun k => Rabs (S i k))). set (t := fun j => rsum d (fun l => Rabs (T l j))).
  assert (Hs : forall i, 0 <= s i) by (intros; apply rsum_nonneg; intros; apply Rabs_pos).
  assert (Ht : forall j, 0 <= t j) by (intros; apply rsum_nonneg; intros; apply Rabs_pos).
  set (C := rsum d' (fun j => rsum d' (fun i => s i * t j))).
  assert (HC : 0 <= C) by (apply rsum_nonneg; intros; apply rsum_nonneg; intros; now apply Rmult_le_pos).
  exists (C + 1). split; [lra|]. intros X. pose proof (frobenius_nonneg d X) as HX.
  apply Rle_trans with (C * frobenius d X); [| apply Rmult_le_compat_r; lra].
  eapply Rle_trans; [apply frobenius_le_columns|]. unfold C. rewrite <- rsum_scal_r. apply rsum_le. intros j Hj.
  eapply Rle_trans; [apply norm_le_sum|]. rewrite <- rsum_scal_r. apply rsum_le. intros i Hi.
  unfold mul. eapply Rle_trans; [apply rsum_abs|]. unfold s. rewrite Rmult_assoc, <- rsum_scal_r. apply rsum_le. intros k Hk.
  rewrite Rabs_mult. apply Rmult_le_compat_l; [apply Rabs_pos|].
  eapply Rle_trans; [apply rsum_abs|]. unfold t. rewrite <- rsum_scal_r. apply rsum_le. intros l Hl.
  rewrite Rabs_mult, Rmult_comm. apply Rmult_le_compat_l; [apply Rabs_pos | now apply entry_le_frobenius].
Qed.

Section Intertwined.
Variables (d d' N : nat) (p : nat -> R) (A B : nat -> mat) (S T : mat).
Hypothesis Hp : probability N p.
Hypothesis Hd : (0 < d)%nat.
Hypothesis Hd' : (0 < d')%nat.
(* S : R^d -> R^d' carries A_i into B_i and has the right inverse T. *)
Hypothesis Hcarry : forall i, (i < N)%nat -> entries_eq d' d (mul d S (A i)) (mul d' (B i) S).
Hypothesis Hright : entries_eq d' d' (mul d S T) eye.

Lemma carry_word w : (forall i, In i w -> (i < N)%nat) -> entries_eq d' d (mul d S (word_product d A w)) (mul d' (word_product d' B w) S).
Proof.
  induction w as [|i w IH]; intros Hw j k Hj Hk; simpl.
  - unfold mul, eye. rewrite rsum_delta by auto. rewrite (rsum_ext d _ (fun l => (if Nat.eqb k l then 1 else 0) * S j l)). now rewrite rsum_delta.
    intros l _. rewrite (Nat.eqb_sym k l). ring.
  - rewrite (mul_assoc d d). rewrite <- (mul_assoc d' d').
    rewrite (mul_entries d' d d _ (mul d' (B i) S) _ (word_product d A w) (Hcarry i (Hw i (or_introl eq_refl))) (fun _ _ _ _ => eq_refl)) by auto.
    rewrite <- (mul_assoc d' d). apply mul_entries with (m := d') (n := d); auto. intros ? ? _ _; reflexivity.
    apply IH. intros; apply Hw; now right.
Qed.

Theorem lyapunov_intertwined : (lyapunov d' N p B <= lyapunov d N p A)%ext.
Proof.
  destruct (frobenius_sandwich d d' S T) as [C [HC H]].
  apply (lyapunov_compare d d' N p p A B Hp (fun _ _ => eq_refl) Hd Hd' C HC). intros w Hw.
  rewrite (frobenius_ext d' _ (mul d S (mul d (word_product d A w) T))); [apply H|].
  intros i j Hi Hj. rewrite (mul_assoc d d).
  rewrite (mul_entries d' d d' _ (mul d' (word_product d' B w) S) _ T (carry_word w Hw) (fun _ _ _ _ => eq_refl)) by auto.
  rewrite <- (mul_assoc d' d).
  rewrite (mul_entries d' d' d' _ (word_product d' B w) _ eye (fun _ _ _ _ => eq_refl) Hright) by auto.
  unfold mul, eye. rewrite (rsum_ext d' _ (fun l => (if Nat.eqb j l then 1 else 0) * word_product d' B w i l)). now rewrite rsum_delta.
  intros l _. rewrite (Nat.eqb_sym j l). ring.
Qed.
End Intertwined.

(* Conjugate families have the same exponent. *)
Theorem lyapunov_conjugate d N p A B S T : probability N p -> (0 < d)%nat ->
  (forall i, (i < N)%nat -> entries_eq d d (mul d S (A i)) (mul d (B i) S)) -> entries_eq d d (mul d S T) eye -> entries_eq d d (mul d T S) eye ->
  lyapunov d N p A = lyapunov d N p B.
Proof.
  intros Hp Hd Hcarry HST HTS. apply ext_le_antisym.
  - apply (lyapunov_intertwined d d N p B A T S Hp Hd Hd); auto. intros i Hi j k Hj Hk.
    (* T B = T B S T = T S A T = A T *)
    transitivity (mul d T (mul d (mul d (B i) S) T) j k).
    { apply mul_entries with (m := d) (n := d); auto. intros ? ? _ _; reflexivity. intros a b Ha Hb.
      rewrite <- (mul_assoc d d). rewrite (mul_entries d d d _ (B i) _ eye (fun _ _ _ _ => eq_refl) HST) by auto.
      unfold mul, eye. rewrite (rsum_ext d _ (fun l => (if Nat.eqb b l then 1 else 0) * B i a l)). now rewrite rsum_delta.
      intros l _. rewrite (Nat.eqb_sym b l). ring. }
    transitivity (mul d T (mul d (mul d S (A i)) T) j k).
    { apply mul_entries with (m := d) (n := d); auto. intros ? ? _ _; reflexivity. apply mul_entries.
      intros a b Ha Hb. symmetry. now apply Hcarry. intros ? ? _ _; reflexivity. }
    rewrite (mul_assoc d d). apply mul_entries with (m := d) (n := d); auto; [| intros ? ? _ _; reflexivity].
    intros a b Ha Hb. rewrite (mul_assoc d d). rewrite (mul_entries d d d _ eye _ (A i) HTS (fun _ _ _ _ => eq_refl)) by auto. now apply eye_mul.
  - now apply (lyapunov_intertwined d d N p A B S T Hp Hd Hd).
Qed.
