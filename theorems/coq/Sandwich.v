(* The residual sandwich, facts S1 and S2. h is a relation between vectors and their values (labels, cones that overlap):
   if h(A_i v) / h(v) is on average at least (at most) e^r in the logarithm, wherever h is defined, then lyapunov >= r (<= r).
   Upper bounds allow singular matrices: a vector that is sent to 0 needs no value. Their proof is by moments of small order. *)
From Coq Require Import Reals Lra Lia Psatz Arith List.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent.
Import ListNotations.
Open Scope R_scope.

Section Family.
Variables (d N : nat) (p : nat -> R) (A : nat -> mat).
Hypothesis Hp : probability N p.
Hypothesis Hd : (0 < d)%nat.
(* The family is fixed in this section: names without it refer to it. *)
Local Notation mul := (mul d). Local Notation mulv := (mulv d). Local Notation mat_eq := (mat_eq d). Local Notation vec_eq := (vec_eq d).
Local Notation frobenius := (frobenius d). Local Notation norm := (norm d). Local Notation E := (E N p).
Local Notation word_mean := (word_mean d N p A). Local Notation orbit_mean := (orbit_mean d N p A).
Local Notation mean_log := (mean_log d N p A). Local Notation truncated_log := (truncated_log d N p A).
Local Notation reachable := (reachable d N A). Local Notation never_zero := (never_zero d N A).

Local Notation lyapunov := (lyapunov d N p A).

(* ---------- lower bounds ---------- *)
Section Lower.
Variable H : vec -> R -> Prop.
Variables (Mx r0 : R).
Hypothesis HM : forall v y, H v y -> 0 < y /\ y <= Mx * norm v.
Hypothesis Hstep : forall v y, H v y -> exists yi : nat -> R,
  (forall i, (i < N)%nat -> H (mulv (A i) v) (yi i)) /\ r0 + ln y <= E (fun i => ln (yi i)).
Variables (v0 : vec) (y0 : R).
Hypothesis H0 : H v0 y0.

Lemma value_pos v y : H v y -> 0 < Mx /\ 0 < norm v.
Proof.
  intros Hv. destruct (HM v y Hv) as [Hy Hb]. destruct (norm_nonneg d v) as [Hp'|E0].
  split; auto. destruct (Rle_lt_dec Mx 0); auto. nra. rewrite <- E0 in Hb; lra.
Qed.

Lemma orbit_grows n : forall v y, H v y -> INR n * r0 + ln y - ln Mx <= orbit_mean n (fun v => ln (norm v)) v.
Proof.
  induction n; intros v y Hv.
  - simpl. destruct (value_pos v y Hv). destruct (HM v y Hv).
    assert (ln y <= ln Mx + ln (norm v)) by (rewrite <- ln_mult by auto; apply ln_le_ln; auto). lra.
  - rewrite S_INR. simpl orbit_mean. destruct (Hstep v y Hv) as [yi [Hyi HE]].
    eapply Rle_trans; [| apply (E_le N p Hp); intros i Hi; apply (IHn _ _ (Hyi i Hi))].
    rewrite (E_ext N p _ (fun i => (INR n * r0 - ln Mx) + ln (yi i))) by (intros; ring).
    rewrite E_plus, (E_const N p Hp). lra.
Qed.

Definition admissible v y := exists u, vec_eq u v /\ H u y.
Lemma reachable_admissible M : reachable M -> exists y, admissible (mulv M v0) y.
Proof.
  intros [w [Hw ->]]. induction w as [|i w IH].
  - exists y0, v0. split; auto. intros j Hj. symmetry. apply eye_mulv; auto.
  - destruct IH as [y [u [Hu Hy]]]. intros; apply Hw; right; auto.
    destruct (Hstep u y Hy) as [yi [Hyi _]]. exists (yi i), (mulv (A i) u). split.
    2: apply Hyi; apply Hw; left; auto.
    intros j Hj. simpl. rewrite mulv_mul. apply mulv_ext; auto. intros ? ? ? ?; auto.
Qed.

Lemma reachable_pos M : reachable M -> 0 < norm (mulv M v0).
Proof.
  intros HR. destruct (reachable_admissible M HR) as [y [u [Hu Hy]]].
  rewrite <- (norm_ext d _ _ Hu). apply (value_pos u y Hy).
Qed.
Lemma lower_never_zero : never_zero.
Proof.
  intros M HR. pose proof (reachable_pos M HR). pose proof (norm_mulv d M v0).
  destruct (frobenius_nonneg d M) as [|E0]; auto. rewrite <- E0 in H2. lra.
Qed.

Lemma mean_log_grows n : INR n * r0 + (ln y0 - ln Mx - ln (norm v0)) <= mean_log n.
Proof.
  assert (Hv0 : 0 < norm v0) by (apply (value_pos v0 y0 H0)).
  pose proof (orbit_grows n v0 y0 H0) as HG.
  rewrite <- (word_mean_orbit_eye d N p A n (fun v => ln (norm v)) v0) in HG.
  2:{ intros u v Huv. now rewrite (norm_ext d _ _ Huv). }
  assert (HK : word_mean n (fun M => ln (norm (mulv M v0))) eye <= word_mean n (fun M => ln (norm v0) + ln (frobenius M)) eye).
  { apply (word_mean_le d N p A Hp n _ _ reachable). intros; apply reachable_step; auto. 2: apply reachable_eye.
    intros M HR. rewrite <- ln_mult by (auto; apply lower_never_zero; auto).
    apply ln_le_ln. apply reachable_pos; auto. rewrite Rmult_comm. apply norm_mulv. }
  rewrite (word_mean_plus d N p A n (fun _ => ln (norm v0))) in HK. rewrite (word_mean_const d N p A Hp) in HK. unfold RandomProducts.mean_log. lra.
Qed.

Theorem sandwich_lower : (r0 <= lyapunov)%ext.
Proof.
  apply (lyapunov_at_least d N p A Hp Hd r0 (- (ln y0 - ln Mx - ln (norm v0)))). exact lower_never_zero.
  intros n. pose proof (mean_log_grows n). lra.
Qed.
End Lower.

(* ---------- upper bounds ---------- *)
Definition power (s x : R) : R := if Rle_dec x 0 then 0 else exp (s * ln x).
Lemma power_nonneg s x : 0 <= power s x.
Proof. unfold power. destruct (Rle_dec x 0). lra. left; apply exp_pos. Qed.
Lemma power_mono s x y : 0 <= s -> x <= y -> power s x <= power s y.
Proof.
  intros Hs Hxy. unfold power. destruct (Rle_dec x 0); destruct (Rle_dec y 0); try lra.
  left; apply exp_pos. apply exp_le_exp. apply Rmult_le_compat_l; auto. apply ln_le_ln; lra.
Qed.
Lemma power_mult s x y : 0 <= x -> 0 <= y -> power s (x * y) = power s x * power s y.
Proof.
  intros Hx Hy. unfold power. destruct (Rle_dec x 0).
  - replace x with 0 by lra. rewrite Rmult_0_l. destruct (Rle_dec 0 0); lra.
  - destruct (Rle_dec y 0). replace y with 0 by lra. rewrite Rmult_0_r. destruct (Rle_dec 0 0); lra.
    assert (0 < x * y) by (apply Rmult_lt_0_compat; lra). destruct (Rle_dec (x*y) 0); [lra|].
    rewrite ln_mult by lra. rewrite <- exp_plus. f_equal; ring.
Qed.
Lemma power_pos s x : 0 < x -> 0 < power s x.
Proof. intros. unfold power. destruct (Rle_dec x 0); [lra|]. apply exp_pos. Qed.

Lemma power_sum s k (f : nat -> R) : 0 <= s -> (forall j, (j < k)%nat -> 0 <= f j) ->
  power s (rsum k f) <= rsum k (fun j => power s (INR k) * power s (f j)).
Proof.
  intros Hs Hf.
  (* rsum k f <= INR k * max <= ... *)
  destruct (Nat.eq_dec k 0) as [->|Hk]. { simpl. unfold power. destruct (Rle_dec 0 0); lra. }
  assert (HM : exists j, (j < k)%nat /\ forall i, (i < k)%nat -> f i <= f j).
  { clear Hf. induction k; [lia|]. destruct k.
    - exists 0%nat; split; [lia|]. intros i Hi. replace i with 0%nat by lia. lra.
    - destruct IHk as [j [Hj H]]; [lia|]. destruct (Rle_lt_dec (f j) (f (S k))).
      + exists (S k); split; [lia|]. intros i Hi. destruct (Nat.eq_dec i (S k)) as [->|]. lra.
        eapply Rle_trans; [apply H; lia | auto].
      + exists j; split; [lia|]. intros i Hi. destruct (Nat.eq_dec i (S k)) as [->|]. lra. apply H; lia. }
  destruct HM as [j [Hj HM]].
  eapply Rle_trans; [| apply (rsum_term_le k (fun j => power s (INR k) * power s (f j)) j Hj)].
  - rewrite <- power_mult; auto using pos_INR. apply power_mono; auto.
    rewrite <- rsum_const. apply rsum_le; auto.
  - intros; apply Rmult_le_pos; apply power_nonneg.
Qed.

Section Upper.
Variable H : vec -> R -> Prop.
Variables (m del Bm r1 : R).
Hypothesis Hm : 0 < m.
Hypothesis Hdel : 0 < del.
Hypothesis HM : forall v y, H v y -> 0 < y /\ m * norm v <= y.
Hypothesis Hstep : forall v y, H v y -> exists yi : nat -> R,
  (forall i, (i < N)%nat -> (norm (mulv (A i) v) = 0 \/ H (mulv (A i) v) (yi i)) /\ yi i <= Bm * y) /\
  E (fun i => ln (Rmax (yi i / y) del)) <= r1.
(* H contains enough directions to control the norm *)
Variables (k : nat) (vs : nat -> vec) (ys : nat -> R) (K : R).
Hypothesis Hvs : forall j, (j < k)%nat -> H (vs j) (ys j).
Hypothesis HK : 0 <= K.
Hypothesis Hspan : forall M, frobenius M <= K * rsum k (fun j => norm (mulv M (vs j))).

Let B := Rmax (Rabs (ln del)) (Rabs (ln (Rmax Bm del))).

Lemma log_ratio_bound_nonneg : 0 <= B.
Proof. unfold B. eapply Rle_trans; [apply Rabs_pos | apply Rmax_l]. Qed.

Section Moment.
Variable s : R.
Hypothesis Hs : 0 < s.
Hypothesis HsB : s * B <= / 2.
Let theta := s * r1 + 2 * (s * B) ^ 2.

Lemma log_ratio_bound x y : 0 < y -> x <= Bm * y -> Rabs (ln (Rmax (x / y) del)) <= B.
Proof.
  intros Hy Hx.
  assert (Hxy : x / y <= Bm).
  { apply Rmult_le_reg_r with y; auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra. }
  assert (H1 : ln del <= ln (Rmax (x/y) del)) by (apply ln_le_ln; auto; apply Rmax_r).
  assert (H2 : ln (Rmax (x/y) del) <= ln (Rmax Bm del)).
  { apply ln_le_ln. eapply Rlt_le_trans; [exact Hdel | apply Rmax_r].
    apply Rmax_lub; [| apply Rmax_r]. eapply Rle_trans; [exact Hxy | apply Rmax_l]. }
  pose proof (Rmax_l (Rabs (ln del)) (Rabs (ln (Rmax Bm del)))).
  pose proof (Rmax_r (Rabs (ln del)) (Rabs (ln (Rmax Bm del)))).
  fold B in H0, H3.
  pose proof (Rle_abs (- ln del)). rewrite Rabs_Ropp in H4. pose proof (Rle_abs (ln (Rmax Bm del))).
  apply Rabs_le. lra.
Qed.

Lemma orbit_mean_zero n v : norm v = 0 -> orbit_mean n (fun v => power s (norm v)) v = 0.
Proof.
  revert v; induction n; intros v Hv; simpl.
  - rewrite Hv. unfold power. destruct (Rle_dec 0 0); lra.
  - rewrite (E_ext N p _ (fun _ => 0)). apply (E_const N p Hp). intros i Hi. apply IHn.
    pose proof (norm_mulv d (A i) v). rewrite Hv, Rmult_0_r in H0. pose proof (norm_nonneg d (mulv (A i) v)). lra.
Qed.

Lemma orbit_moment n : forall v y, H v y ->
  orbit_mean n (fun v => power s (norm v)) v <= exp (INR n * theta) * power s (y / m).
Proof.
  induction n; intros v y Hv.
  - simpl. rewrite Rmult_0_l, exp_0, Rmult_1_l. apply power_mono; [lra|]. destruct (HM v y Hv).
    apply Rmult_le_reg_r with m; auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
  - destruct (Hstep v y Hv) as [yi [Hyi HE]]. destruct (HM v y Hv) as [Hy _]. simpl orbit_mean.
    set (z := fun i => ln (Rmax (yi i / y) del)).
    assert (Hmx : forall i, 0 < Rmax (yi i / y) del).
    { intros i. eapply Rlt_le_trans; [exact Hdel | apply Rmax_r]. }
    assert (Hym : 0 < y / m) by (apply Rdiv_lt_0_compat; auto).
    assert (H1 : E (fun i => orbit_mean n (fun v => power s (norm v)) (mulv (A i) v)) <=
                 E (fun i => exp (INR n * theta) * power s (y / m) * exp (s * z i))).
    { apply (E_le N p Hp); intros i Hi. destruct (Hyi i Hi) as [[H0|H0] _].
      - rewrite orbit_mean_zero by auto. apply Rmult_le_pos; [apply Rmult_le_pos|]; try (left; apply exp_pos). apply power_nonneg.
      - eapply Rle_trans; [apply (IHn _ _ H0)|]. rewrite Rmult_assoc.
        apply Rmult_le_compat_l; [left; apply exp_pos|].
        replace (exp (s * z i)) with (power s (Rmax (yi i / y) del)).
        2:{ unfold power, z. pose proof (Hmx i). destruct (Rle_dec (Rmax (yi i / y) del) 0); [lra | auto]. }
        rewrite <- power_mult; [| lra | left; apply Hmx]. apply power_mono; [lra|].
        replace (yi i / m) with (y / m * (yi i / y)) by (field; lra).
        apply Rmult_le_compat_l; [lra | apply Rmax_l]. }
    eapply Rle_trans; [exact H1|]. rewrite E_scal.
    assert (H2 : E (fun i => exp (s * z i)) <= exp theta).
    { eapply Rle_trans; [| apply exp_ge_plus_1].
      eapply Rle_trans.
      - apply (E_le N p Hp) with (g := fun i => (1 + 2 * (s * B)^2) + s * z i). intros i Hi.
        assert (Hz : Rabs (z i) <= B) by (apply log_ratio_bound; auto; apply Hyi; auto).
        assert (Hsz : Rabs (s * z i) <= s * B).
        { rewrite Rabs_mult, (Rabs_right s) by lra. apply Rmult_le_compat_l; lra. }
        eapply Rle_trans; [apply exp_le_quadratic; lra|].
        assert ((s * z i)^2 <= (s * B)^2).
        { rewrite <- (pow2_abs (s * z i)). apply pow_incr. split; [apply Rabs_pos | auto]. }
        lra.
      - rewrite E_plus, (E_const N p Hp), E_scal. fold z in HE. unfold theta.
        assert (s * E z <= s * r1) by (apply Rmult_le_compat_l; lra).
        unfold z in *. lra. }
    rewrite S_INR. replace ((INR n + 1) * theta) with (INR n * theta + theta) by ring.
    rewrite exp_plus.
    replace (exp (INR n * theta) * exp theta * power s (y/m)) with
            (exp (INR n * theta) * power s (y/m) * exp theta) by ring.
    apply Rmult_le_compat_l; auto. apply Rmult_le_pos; [left; apply exp_pos | apply power_nonneg].
Qed.

Lemma word_moment : exists C, 0 < C /\ forall n, word_mean n (fun M => power s (frobenius M)) eye <= C * exp (INR n * theta).
Proof.
  set (C := rsum k (fun j => power s K * power s (INR k) * power s (ys j / m))).
  assert (HC : 0 <= C).
  { apply rsum_nonneg; intros; repeat apply Rmult_le_pos; apply power_nonneg. }
  exists (C + 1). split; [lra|]. intros n.
  apply Rle_trans with (C * exp (INR n * theta)).
  2:{ apply Rmult_le_compat_r; [left; apply exp_pos | lra]. }
  eapply Rle_trans.
  - apply (word_mean_le_everywhere d N p A Hp) with (g := fun M => rsum k (fun j => power s K * power s (INR k) * power s (norm (mulv M (vs j))))).
    intros M. eapply Rle_trans. apply power_mono; [lra | apply Hspan].
    assert (Hnn : forall j, (j < k)%nat -> 0 <= norm (mulv M (vs j))) by (intros; apply norm_nonneg).
    rewrite power_mult; auto. 2: apply rsum_nonneg; auto.
    eapply Rle_trans. apply Rmult_le_compat_l; [apply power_nonneg | apply power_sum; [lra | auto]].
    right. rewrite <- rsum_scal. apply rsum_ext; intros; ring.
  - rewrite word_mean_rsum. unfold C. rewrite <- rsum_scal_r. apply rsum_le; intros j Hj.
    rewrite word_mean_scal. rewrite (word_mean_orbit_eye d N p A n (fun v => power s (norm v))).
    2:{ intros u v Huv. now rewrite (norm_ext d _ _ Huv). }
    replace (power s K * power s (INR k) * power s (ys j / m) * exp (INR n * theta)) with
      (power s K * power s (INR k) * (exp (INR n * theta) * power s (ys j / m))) by ring.
    apply Rmult_le_compat_l; [apply Rmult_le_pos; apply power_nonneg |].
    apply orbit_moment. auto.
Qed.

Lemma truncated_log_bound : exists C, forall n, exists delta, 0 < delta /\
  truncated_log n delta <= INR n * (r1 + 2 * s * B ^ 2) + C.
Proof.
  destruct word_moment as [C [HC HU]]. exists (ln (2 * C) / s). intros n.
  set (X := C * exp (INR n * theta)).
  assert (HX : 0 < X) by (apply Rmult_lt_0_compat; [auto | apply exp_pos]).
  (* choose delta with power s delta = X *)
  set (delta := exp (ln X / s)). assert (Hd0 : 0 < delta) by apply exp_pos.
  exists delta. split; auto.
  assert (Hpd : power s delta = X).
  { unfold power. destruct (Rle_dec delta 0); [lra|]. unfold delta. rewrite ln_exp.
    replace (s * (ln X / s)) with (ln X) by (field; lra). apply exp_ln; auto. }
  assert (H1 : s * truncated_log n delta <= ln (2 * X)).
  { unfold RandomProducts.truncated_log. rewrite <- word_mean_scal.
    eapply Rle_trans.
    apply (word_mean_le_everywhere d N p A Hp) with (g := fun M => (ln (2 * X) + X * / (2 * X) - 1) + / (2 * X) * power s (frobenius M)).
    - intros M. set (x := Rmax (frobenius M) delta).
      assert (Hx : 0 < x) by (eapply Rlt_le_trans; [exact Hd0 | apply Rmax_r]).
      assert (Hpx : power s x <= power s (frobenius M) + X).
      { unfold x, Rmax. pose proof (power_nonneg s (frobenius M)). destruct (Rle_dec (frobenius M) delta); lra. }
      assert (E1 : s * ln x = ln (power s x)).
      { unfold power. destruct (Rle_dec x 0); [lra|]. now rewrite ln_exp. }
      rewrite E1. eapply Rle_trans. apply ln_tangent with (m := 2 * X); [apply power_pos; auto | lra].
      unfold Rdiv. assert (0 < / (2 * X)) by (apply Rinv_0_lt_compat; lra).
      assert (power s x * / (2 * X) <= (power s (frobenius M) + X) * / (2 * X)) by (apply Rmult_le_compat_r; lra).
      lra.
    - rewrite (word_mean_plus d N p A n (fun _ => ln (2 * X) + X * / (2 * X) - 1)), (word_mean_const d N p A Hp), word_mean_scal.
      assert (0 < / (2 * X)) by (apply Rinv_0_lt_compat; lra).
      assert (/ (2 * X) * word_mean n (fun M => power s (frobenius M)) eye <= / (2 * X) * X).
      { apply Rmult_le_compat_l; [lra | apply HU]. }
      assert (X * / (2 * X) = / 2) by (field; lra). lra. }
  assert (E2 : ln (2 * X) = ln (2 * C) + INR n * theta).
  { unfold X. rewrite <- Rmult_assoc. rewrite ln_mult; [| lra | apply exp_pos]. now rewrite ln_exp. }
  rewrite E2 in H1. apply Rmult_le_reg_l with s; auto.
  replace (s * (INR n * (r1 + 2 * s * B ^ 2) + ln (2 * C) / s)) with (ln (2 * C) + INR n * theta).
  auto. unfold theta. field. lra.
Qed.
End Moment.

Theorem sandwich_upper : (lyapunov <= r1)%ext.
Proof.
  apply (lyapunov_at_most d N p A Hp Hd). intros c Hc. pose proof log_ratio_bound_nonneg as HB.
  set (s := Rmin (/ (2 * (B + 1))) ((c - r1) / (4 * (B ^ 2 + 1)))).
  assert (HB2 : 0 <= B ^ 2) by apply sq_nonneg.
  assert (Hs : 0 < s).
  { unfold s. apply Rmin_pos. apply Rinv_0_lt_compat; lra. apply Rdiv_lt_0_compat; lra. }
  assert (HsB : s * B <= / 2).
  { assert (s <= / (2 * (B + 1))) by apply Rmin_l.
    apply Rle_trans with (/ (2 * (B+1)) * B). apply Rmult_le_compat_r; auto.
    apply Rmult_le_reg_r with (2 * (B + 1)); [lra|].
    replace (/ (2 * (B + 1)) * B * (2 * (B + 1))) with B by (field; lra). lra. }
  assert (Hs2 : 2 * s * B ^ 2 <= (c - r1) / 2).
  { assert (s <= (c - r1) / (4 * (B ^ 2 + 1))) by apply Rmin_r.
    assert (s * (4 * (B ^ 2 + 1)) <= c - r1).
    { apply Rmult_le_compat_r with (r := 4 * (B ^ 2 + 1)) in H0; [|lra].
      replace ((c - r1) / (4 * (B ^ 2 + 1)) * (4 * (B ^ 2 + 1))) with (c - r1) in H0 by (field; lra). auto. }
    nra. }
  destruct (truncated_log_bound s Hs HsB) as [C HC].
  destruct (INR_unbounded (Rabs C * 2 / (c - r1))) as [n0 Hn0].
  exists n0. intros n Hn. destruct (HC n) as [delta [Hd0 HLt]]. exists delta. split; auto.
  assert (INR n0 <= INR n) by (apply le_INR; auto).
  assert (Rabs C <= INR n * ((c - r1) / 2)).
  { assert (Rabs C * 2 / (c - r1) <= INR n) by lra.
    apply Rmult_le_compat_r with (r := (c - r1) / 2) in H1; [|lra].
    replace (Rabs C * 2 / (c - r1) * ((c - r1) / 2)) with (Rabs C) in H1 by (field; lra). auto. }
  pose proof (Rle_abs C). pose proof (pos_INR n).
  assert (INR n * (2 * s * B ^ 2) <= INR n * ((c - r1) / 2)) by (apply Rmult_le_compat_l; auto).
  assert (INR n * (r1 + 2 * s * B ^ 2) + C <= INR n * r1 + INR n * (c - r1)) by lra.
  lra.
Qed.
End Upper.
End Family.
