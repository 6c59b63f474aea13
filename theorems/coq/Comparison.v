(* Bounds of the form (ln x - ln y) / n, x, y, n positive integers, compared with rational numbers by integer arithmetic. *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith QArith Qreals Bool.
From SgdVerify Require Import Sums Logarithms ExtendedReals.
Open Scope R_scope.

Definition log_bound (x y n : Z) : R := (ln (IZR x) - ln (IZR y)) / IZR n.

(* ---------- exp from above ---------- *)
Definition ceiling (a b : Z) : Z := (- ((- a) / b))%Z.
Lemma ceiling_spec a b : (0 < b)%Z -> IZR a / IZR b <= IZR (ceiling a b).
Proof.
  intros Hb. assert (H : (a <= b * ceiling a b)%Z) by (unfold ceiling; pose proof (Z.mul_div_le (- a) b Hb); lia).
  apply IZR_le in H. rewrite mult_IZR in H. assert (0 < IZR b) by (apply IZR_lt; auto).
  apply Rmult_le_reg_r with (IZR b); auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.
Section Precision.
Variable S : Z.
Hypothesis S_pos_Z : (0 < S)%Z.
Local Notation succ := Datatypes.S.

Fixpoint square_up (k : nat) (e : Z) : Z := match k with O => e | succ k => square_up k (ceiling (e * e) S) end.
(* An upper bound of S exp(n/b), if 2|n| <= b 2^k: 1 + x + 2 x^2 at x = n / (b 2^k), squared k times, rounded up *)
Definition exp_up (n b : Z) (k : nat) : Z := let D := (b * 2 ^ Z.of_nat k)%Z in square_up k (ceiling (S * (D * D + n * D + 2 * n * n)) (D * D)).
Lemma S_pos : 0 < IZR S. Proof. now apply IZR_lt. Qed.
Lemma square_up_spec : forall k e y, (0 <= e)%Z -> exp y <= IZR e / IZR S -> exp (y * 2 ^ k) <= IZR (square_up k e) / IZR S.
Proof.
  pose proof S_pos as HS. induction k; intros e y He H. simpl. now rewrite Rmult_1_r.
  cbn [square_up]. replace (y * 2 ^ succ k) with ((y + y) * 2 ^ k) by (simpl; ring). apply IHk.
  - unfold ceiling. assert ((- (e * e)) / S <= 0)%Z by (apply Z.div_le_upper_bound; [exact S_pos_Z | nia]). lia.
  - rewrite exp_plus. pose proof (exp_pos y).
    apply Rle_trans with ((IZR e / IZR S) * (IZR e / IZR S)). apply Rmult_le_compat; lra.
    pose proof (ceiling_spec (e * e) S S_pos_Z). rewrite mult_IZR in H1.
    replace (IZR e / IZR S * (IZR e / IZR S)) with (IZR e * IZR e / IZR S * / IZR S) by (field; lra).
    apply Rmult_le_compat_r; auto. left; apply Rinv_0_lt_compat; auto.
Qed.
Lemma exp_up_spec n b k : (0 < b)%Z -> (2 * Z.abs n <= b * 2 ^ Z.of_nat k)%Z -> exp (IZR n / IZR b) <= IZR (exp_up n b k) / IZR S.
Proof.
  intros Hb Hn. unfold exp_up. set (D := (b * 2 ^ Z.of_nat k)%Z) in *.
  assert (H2k : (0 < 2 ^ Z.of_nat k)%Z) by (apply Z.pow_pos_nonneg; lia).
  assert (HD : (0 < D)%Z) by (unfold D; nia). pose proof S_pos as HS.
  assert (HDR : 0 < IZR D) by (apply IZR_lt; auto). assert (HbR : 0 < IZR b) by (apply IZR_lt; auto).
  assert (ED : IZR D = IZR b * 2 ^ k) by (unfold D; rewrite mult_IZR, <- pow_IZR; reflexivity).
  assert (H2 : 0 < 2 ^ k) by (apply pow_lt; lra).
  replace (IZR n / IZR b) with (IZR n / IZR D * 2 ^ k) by (rewrite ED; field; lra).
  assert (Hq : (0 <= D * D + n * D + 2 * n * n)%Z) by nia.
  apply square_up_spec.
  - unfold ceiling. assert ((- (S * (D * D + n * D + 2 * n * n))) / (D * D) <= 0)%Z.
    { apply Z.div_le_upper_bound. nia. nia. } lia.
  - eapply Rle_trans. apply exp_le_quadratic.
    { unfold Rdiv. rewrite Rabs_mult, (Rabs_right (/ IZR D)) by (apply Rle_ge; left; apply Rinv_0_lt_compat; auto).
      rewrite <- abs_IZR. apply Rmult_le_reg_r with (IZR D); auto. rewrite Rmult_assoc, Rinv_l by lra.
      apply IZR_le in Hn. rewrite mult_IZR in Hn. lra. }
    pose proof (ceiling_spec (S * (D * D + n * D + 2 * n * n)) (D * D) ltac:(nia)) as H.
    rewrite !mult_IZR, !plus_IZR, !mult_IZR in H.
    set (Z0 := IZR (ceiling (S * (D * D + n * D + 2 * n * n)) (D * D))) in *.
    apply Rmult_le_reg_l with (IZR S); auto. replace (IZR S * (Z0 / IZR S)) with Z0 by (field; lra).
    eapply Rle_trans; [| exact H]. right. field. lra.
Qed.
End Precision.

(* ---------- comparisons ---------- *)
(* exp(n v) y <= x (strictly), by `bits` bits and `squarings` squarings: enough of both decide every strict inequality. *)
Record effort := Effort { bits : Z; squarings : nat }.
Definition exceeds (strict : bool) (w : effort) (x y n : Z) (v : Q) : bool :=
  let S := (2 ^ bits w)%Z in
  let lhs := (exp_up S (n * Qnum v) (Zpos (Qden v)) (squarings w) * y)%Z in
  (0 <=? bits w)%Z && (0 <? x)%Z && (0 <? y)%Z && (0 <? n)%Z && (2 * Z.abs (n * Qnum v) <=? Zpos (Qden v) * 2 ^ Z.of_nat (squarings w))%Z &&
  (if strict then lhs <? x * S else lhs <=? x * S)%Z.

Lemma exceeds_spec strict w x y n v : exceeds strict w x y n v = true ->
  Q2R v <= log_bound x y n /\ (strict = true -> Q2R v < log_bound x y n).
Proof.
  unfold exceeds. cbv zeta. rewrite !andb_true_iff. intros [[[[[Hb Hx] Hy] Hn] Hk] H].
  apply Z.leb_le in Hb, Hk. apply Z.ltb_lt in Hx, Hy, Hn. set (S := (2 ^ bits w)%Z) in *.
  assert (HS : (0 < S)%Z) by (apply Z.pow_pos_nonneg; lia).
  pose proof (exp_up_spec S HS _ _ _ (Pos2Z.is_pos (Qden v)) Hk) as HE. set (e := exp_up S (n * Qnum v) (Zpos (Qden v)) (squarings w)) in *.
  apply IZR_lt in Hx, Hy, Hn, HS. assert (HD : 0 < IZR (Zpos (Qden v))) by (apply IZR_lt; reflexivity).
  assert (Ev : IZR (n * Qnum v) / IZR (Zpos (Qden v)) = IZR n * Q2R v) by (rewrite mult_IZR; unfold Q2R; field; lra). rewrite Ev in HE.
  assert (Hbound : log_bound x y n = ln (IZR x / IZR y) / IZR n).
  { unfold log_bound. f_equal. unfold Rdiv. rewrite ln_mult, ln_Rinv; auto. now apply Rinv_0_lt_compat. }
  assert (Hq : 0 < IZR x / IZR y) by (now apply Rdiv_lt_0_compat).
  assert (Hle : IZR e * IZR y <= IZR x * IZR S /\ (strict = true -> IZR e * IZR y < IZR x * IZR S)).
  { rewrite <- !mult_IZR. destruct strict. apply Z.ltb_lt in H. split. apply IZR_le; lia. intros _; now apply IZR_lt.
    apply Z.leb_le in H. split. now apply IZR_le. discriminate. }
  assert (Hcancel : forall A B, A / IZR S = B -> B * (IZR S * IZR y) = A * IZR y) by (intros A B <-; field; lra).
  destruct Hle as [H1 H2]. split.
  - assert (HL : exp (IZR n * Q2R v) <= IZR x / IZR y).
    { eapply Rle_trans; [exact HE|]. apply Rmult_le_reg_r with (IZR S * IZR y). now apply Rmult_lt_0_compat.
      rewrite (Hcancel (IZR e)) by reflexivity. replace (IZR x / IZR y * (IZR S * IZR y)) with (IZR x * IZR S) by (field; lra). exact H1. }
    apply ln_le_ln in HL; [|apply exp_pos]. rewrite ln_exp in HL. rewrite Hbound. apply Rmult_le_reg_r with (IZR n); auto.
    unfold Rdiv. rewrite (Rmult_assoc (ln _)), Rinv_l, Rmult_1_r by lra. rewrite Rmult_comm. exact HL.
  - intros Hstrict. specialize (H2 Hstrict).
    assert (HL : exp (IZR n * Q2R v) < IZR x / IZR y).
    { eapply Rle_lt_trans; [exact HE|]. apply Rmult_lt_reg_r with (IZR S * IZR y). now apply Rmult_lt_0_compat.
      rewrite (Hcancel (IZR e)) by reflexivity. replace (IZR x / IZR y * (IZR S * IZR y)) with (IZR x * IZR S) by (field; lra). exact H2. }
    apply ln_increasing in HL; [|apply exp_pos]. rewrite ln_exp in HL. rewrite Hbound. apply Rmult_lt_reg_r with (IZR n); auto.
    unfold Rdiv. rewrite (Rmult_assoc (ln _)), Rinv_l, Rmult_1_r by lra. rewrite Rmult_comm. exact HL.
Qed.

Lemma log_bound_swap x y n : log_bound y x n = - log_bound x y n.
Proof. unfold log_bound, Rdiv. ring. Qed.

(* ---------- claims ---------- *)
Definition rational (v : Q) : extended := Finite (Q2R v).
Coercion rational : Q >-> extended.

Inductive relation := Below | At_most | At_least | Above.
Definition holds (r : relation) (l : extended) (v : Q) : Prop :=
  match r with Below => ext_lt l v | At_most => ext_le l v | At_least => ext_le v l | Above => ext_lt v l end.
Definition upper (r : relation) : bool := match r with Below | At_most => true | _ => false end.
Definition strictly (r : relation) : bool := match r with Below | Above => true | _ => false end.
(* The bound, from the side that the relation needs, implies the claim. *)
Definition implies (r : relation) (w : effort) (x y n : Z) (v : Q) : bool :=
  if upper r then exceeds (strictly r) w y x n (- v)%Q else exceeds (strictly r) w x y n v.

Theorem claim_from_bound r w x y n v l : implies r w x y n v = true ->
  (if upper r then (l <= log_bound x y n)%ext else (log_bound x y n <= l)%ext) -> holds r l v.
Proof.
  unfold implies. destruct (upper r) eqn:Eu; intros H Hl; destruct (exceeds_spec _ _ _ _ _ _ H) as [H1 H2].
  - rewrite (log_bound_swap x y n), Q2R_opp in H1, H2. destruct r; try discriminate; cbn [holds strictly] in *.
    + apply ext_le_lt_trans with (1 := Hl). apply Finite_lt. specialize (H2 eq_refl). lra.
    + apply ext_le_trans with (1 := Hl). simpl. lra.
  - destruct r; try discriminate; cbn [holds strictly] in *.
    + apply ext_le_trans with (2 := Hl). exact H1.
    + apply ext_lt_le_trans with (2 := Hl). apply Finite_lt. now apply H2.
Qed.
Lemma rational_zero : rational 0 = 0%R.
Proof. unfold rational, Q2R. simpl. f_equal. lra. Qed.
