(* Families of which every step loses, keeps or gains energy: e(A_i v) = e(v) - z_i f_i(v)^2 for a quadratic form e that is equivalent
   to the square of the norm, where the f_i together see every direction. If all z_i are positive the exponent is negative (fact E5),
   if all are negative it is positive, if all vanish it is zero (facts E5 and E7, with any probabilities). *)
From Coq Require Import Reals Lra Lia Psatz Arith List.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent Sandwich.
Open Scope R_scope.

Lemma common_positive_bound n (z : nat -> R) : (forall i, (i < n)%nat -> 0 < z i) -> exists z0, 0 < z0 /\ forall i, (i < n)%nat -> z0 <= z i.
Proof.
  induction n; intros H. exists 1; split; [lra|]; intros; lia.
  destruct IHn as [z0 [H0 Hz]]. intros; apply H; lia. exists (Rmin z0 (z n)). split. apply Rmin_pos; auto.
  intros i Hi. destruct (Nat.eq_dec i n) as [->|]. apply Rmin_r. eapply Rle_trans; [apply Rmin_l | apply Hz; lia].
Qed.

(* The basis vectors see the norm of a matrix. *)
Definition basis (j : nat) : vec := fun k => if Nat.eqb k j then 1 else 0.
Lemma norm_basis d j : (j < d)%nat -> norm d (basis j) = 1.
Proof.
  intros Hj. unfold norm. transitivity (sqrt 1); [f_equal | apply sqrt_1].
  rewrite (rsum_ext d _ (fun k => (if Nat.eqb j k then 1 else 0) * 1)). now rewrite rsum_delta.
  intros i _. unfold basis. rewrite (Nat.eqb_sym i j). destruct (Nat.eqb j i); ring.
Qed.
Lemma frobenius_le_basis d M : frobenius d M <= 1 * rsum d (fun j => norm d (mulv d M (basis j))).
Proof.
  rewrite Rmult_1_l. eapply Rle_trans; [apply frobenius_le_columns|]. right. apply rsum_ext. intros j Hj. apply norm_ext. intros i Hi.
  unfold mulv, basis. rewrite (rsum_ext d _ (fun k => (if Nat.eqb j k then 1 else 0) * M i k)). now rewrite rsum_delta.
  intros k _. rewrite (Nat.eqb_sym k j). destruct (Nat.eqb j k); ring.
Qed.

Section Energy.
Variables (d N : nat) (p : nat -> R) (A : nat -> mat).
Hypothesis Hp : probability N p.
Hypothesis Hd : (0 < d)%nat.
Variables (e : vec -> R) (f : nat -> vec -> R) (z : nat -> R) (low high kappa top : R).
Hypothesis Hlow : 0 < low.
Hypothesis Hhigh : 0 < high.
Hypothesis Hkappa : 0 < kappa.
Hypothesis Htop : 0 < top.
Hypothesis Henergy : forall v, low * norm d v ^ 2 <= e v <= high * norm d v ^ 2.
Hypothesis Hstep : forall i v, (i < N)%nat -> e (mulv d (A i) v) = e v - z i * f i v ^ 2.
Hypothesis Hsee : forall v, kappa * e v <= E N p (fun i => f i v ^ 2).
Hypothesis Htop' : forall i v, (i < N)%nat -> f i v ^ 2 <= top * e v.

Local Notation lyapunov := (lyapunov d N p A).
Definition energy_norm (v : vec) (y : R) : Prop := 0 < y /\ y ^ 2 = e v.

Lemma energy_nonneg v : 0 <= e v.
Proof. eapply Rle_trans; [|apply Henergy]. apply Rmult_le_pos; [lra | apply pow2_ge_0]. Qed.
Lemma energy_norm_sqrt v : 0 < e v -> energy_norm v (sqrt (e v)).
Proof. intros H. split. now apply sqrt_lt_R0. rewrite <- Rsqr_pow2. apply Rsqr_sqrt. lra. Qed.
Lemma energy_norm_zero v : e v <= 0 -> norm d v = 0.
Proof.
  intros H. pose proof (norm_nonneg d v). pose proof (proj1 (Henergy v)). pose proof (pow2_ge_0 (norm d v)).
  assert (norm d v ^ 2 <= 0) by nra. simpl in *. nra.
Qed.
Lemma energy_norm_lower v y : energy_norm v y -> 0 < y /\ sqrt low * norm d v <= y.
Proof.
  intros [Hy E]. split; auto. pose proof (norm_nonneg d v). pose proof (sqrt_pos low).
  apply Rsqr_incr_0_var; [|lra]. rewrite !Rsqr_pow2, Rpow_mult_distr, E, <- (Rsqr_pow2 (sqrt low)), Rsqr_sqrt by lra. apply Henergy.
Qed.
Lemma energy_norm_upper v y : energy_norm v y -> 0 < y /\ y <= sqrt high * norm d v.
Proof.
  intros [Hy E]. split; auto. pose proof (norm_nonneg d v). pose proof (sqrt_pos high).
  apply Rsqr_incr_0_var; [| now apply Rmult_le_pos]. rewrite !Rsqr_pow2, Rpow_mult_distr, E, <- (Rsqr_pow2 (sqrt high)), Rsqr_sqrt by lra. apply Henergy.
Qed.
Lemma energy_basis j : (j < d)%nat -> 0 < e (basis j).
Proof. intros Hj. eapply Rlt_le_trans; [|apply Henergy]. rewrite norm_basis by auto. lra. Qed.

(* Steps that do not gain: the image of the unit ball stays in it. *)
Lemma energy_upper del r : 0 < del -> (forall i, (i < N)%nat -> 0 <= z i) ->
  (forall v y, energy_norm v y -> E N p (fun i => ln (Rmax (sqrt (e (mulv d (A i) v)) / y) del)) <= r) -> (lyapunov <= r)%ext.
Proof.
  intros Hdel Hz Hr.
  apply (sandwich_upper d N p A Hp Hd energy_norm (sqrt low) del 1 r) with (k := d) (vs := basis) (ys := fun j => sqrt (e (basis j))) (K := 1).
  - now apply sqrt_lt_R0.
  - exact Hdel.
  - intros v y H. now apply energy_norm_lower.
  - intros v y [Hy HE]. exists (fun i => sqrt (e (mulv d (A i) v))). split; [| now apply Hr].
    intros i Hi. split.
    + destruct (Rle_lt_dec (e (mulv d (A i) v)) 0); [left; now apply energy_norm_zero | right; now apply energy_norm_sqrt].
    + rewrite Rmult_1_l. rewrite <- (sqrt_pow2 y) by lra. apply sqrt_le_1_alt. rewrite HE, Hstep by auto.
      pose proof (Rmult_le_pos _ _ (Hz i Hi) (pow2_ge_0 (f i v))). lra.
  - intros j Hj. apply energy_norm_sqrt. now apply energy_basis.
  - lra.
  - apply frobenius_le_basis.
Qed.

Theorem energy_lost : (forall i, (i < N)%nat -> 0 < z i) -> (lyapunov < 0)%ext.
Proof.
  intros Hz. destruct (common_positive_bound N z Hz) as [z0 [Hz0 Hzi]].
  set (w := z0 * kappa). assert (Hw : 0 < w) by (now apply Rmult_lt_0_compat).
  set (del := Rmin 1 (w / 2)). assert (Hdel : 0 < del) by (apply Rmin_pos; lra).
  assert (Hdel2 : del ^ 2 <= w / 2).
  { assert (del <= 1) by apply Rmin_l. assert (del <= w / 2) by apply Rmin_r. simpl. nra. }
  apply ext_le_lt_trans with (Finite (- w / 4)). 2: apply Finite_lt; lra.
  apply (energy_upper del); auto. { intros i Hi. left; auto. }
  intros v y [Hy HE]. assert (He : 0 < e v) by (rewrite <- HE; apply pow_lt; auto).
  eapply Rle_trans.
  - apply (E_le N p Hp) with (g := fun i => / 2 * del ^ 2 + - / 2 * (z0 / e v) * f i v ^ 2). intros i Hi.
    set (r := sqrt (e (mulv d (A i) v)) / y).
    assert (Hr : r ^ 2 = 1 - z i * f i v ^ 2 / e v).
    { unfold r. rewrite <- (Rsqr_pow2 (_ / _)), Rsqr_div' , (Rsqr_pow2 y), HE, Rsqr_sqrt by apply energy_nonneg. rewrite Hstep by auto. field. lra. }
    set (X := Rmax r del). assert (HX : 0 < X) by (eapply Rlt_le_trans; [exact Hdel | apply Rmax_r]).
    assert (HX2 : X ^ 2 <= r ^ 2 + del ^ 2).
    { pose proof (pow2_ge_0 r). pose proof (pow2_ge_0 del). unfold X, Rmax. destruct (Rle_dec r del); lra. }
    pose proof (ln_le_minus_1 (X ^ 2) (pow_lt X 2 HX)) as HT. rewrite ln_pow_nat in HT by auto. simpl INR in HT.
    assert (z0 / e v * f i v ^ 2 <= z i * f i v ^ 2 / e v).
    { unfold Rdiv. rewrite !(Rmult_assoc), (Rmult_comm (/ e v)), <- !Rmult_assoc. apply Rmult_le_compat_r. left; now apply Rinv_0_lt_compat.
      apply Rmult_le_compat_r. apply pow2_ge_0. now apply Hzi. }
    lra.
  - rewrite E_plus, (E_const N p Hp), E_scal. pose proof (Hsee v) as HS.
    assert (w <= z0 / e v * E N p (fun i => f i v ^ 2)).
    { apply Rle_trans with (z0 / e v * (kappa * e v)). right; unfold w; field; lra.
      apply Rmult_le_compat_l; auto. apply Rmult_le_pos; [lra | left; now apply Rinv_0_lt_compat]. }
    lra.
Qed.

Lemma energy_gains_pos i v : z i <= 0 -> (i < N)%nat -> 0 < e v -> 0 < e (mulv d (A i) v).
Proof. intros Hz Hi He. rewrite Hstep by auto. pose proof (Rmult_le_pos (- z i) (f i v ^ 2) ltac:(lra) (pow2_ge_0 _)). lra. Qed.

Lemma energy_lower r : (forall i, (i < N)%nat -> z i <= 0) ->
  (forall v, 0 < e v -> r + ln (sqrt (e v)) <= E N p (fun i => ln (sqrt (e (mulv d (A i) v))))) -> (r <= lyapunov)%ext.
Proof.
  intros Hz Hr.
  apply (sandwich_lower d N p A Hp Hd energy_norm (sqrt high) r) with (v0 := basis 0) (y0 := sqrt (e (basis 0))).
  - intros v y H. now apply energy_norm_upper.
  - intros v y [Hy HE]. assert (He : 0 < e v) by (rewrite <- HE; apply pow_lt; auto).
    exists (fun i => sqrt (e (mulv d (A i) v))). split.
    + intros i Hi. apply energy_norm_sqrt. now apply energy_gains_pos; [apply Hz| |].
    + replace y with (sqrt (e v)). now apply Hr. rewrite <- HE. apply sqrt_pow2. lra.
  - apply energy_norm_sqrt. now apply energy_basis.
Qed.

Theorem energy_gained : (forall i, (i < N)%nat -> z i < 0) -> (0 < lyapunov)%ext.
Proof.
  intros Hz. destruct (common_positive_bound N (fun i => - z i)) as [w0 [Hw0 Hwi]]. { intros i Hi. pose proof (Hz i Hi). lra. }
  set (W := rsum N (fun i => - z i) * top).
  assert (HW : forall i, (i < N)%nat -> - z i * top <= W).
  { intros i Hi. apply Rmult_le_compat_r; [lra|]. apply (rsum_term_le N (fun i => - z i)); auto. intros j Hj. pose proof (Hz j Hj). lra. }
  assert (HW0 : 0 <= W). { apply Rmult_le_pos; [|lra]. apply rsum_nonneg. intros j Hj. pose proof (Hz j Hj). lra. }
  assert (Hr : 0 < w0 * kappa / (1 + W) / 2).
  { apply Rdiv_lt_0_compat; [|lra]. apply Rdiv_lt_0_compat; [now apply Rmult_lt_0_compat | lra]. }
  apply ext_lt_le_trans with (Finite (w0 * kappa / (1 + W) / 2)). now apply Finite_lt.
  apply energy_lower. { intros i Hi. left; auto. }
  intros v He. eapply Rle_trans.
  2:{ apply (E_le N p Hp) with (f := fun i => ln (sqrt (e v)) + / 2 * (w0 / (1 + W) / e v) * f i v ^ 2). intros i Hi.
      pose proof (energy_gains_pos i v ltac:(left; auto) Hi He) as Hgain. rewrite !ln_sqrt by auto.
      pose proof (ln_tangent (e v) (e (mulv d (A i) v)) He Hgain) as HT.
      assert (w0 / (1 + W) / e v * f i v ^ 2 <= 1 - e v / e (mulv d (A i) v)).
      { assert (HE : e (mulv d (A i) v) = e v + - z i * f i v ^ 2) by (rewrite Hstep by auto; ring).
        assert (Hle : e (mulv d (A i) v) <= (1 + W) * e v).
        { rewrite HE. pose proof (Htop' i v Hi). pose proof (HW i Hi). pose proof (Hz i Hi).
          assert (- z i * f i v ^ 2 <= - z i * (top * e v)) by (apply Rmult_le_compat_l; lra).
          assert (- z i * top * e v <= W * e v) by (apply Rmult_le_compat_r; lra). lra. }
        replace (1 - e v / e (mulv d (A i) v)) with (- z i * f i v ^ 2 * / e (mulv d (A i) v)) by (rewrite HE; field; lra).
        apply Rle_trans with (w0 * f i v ^ 2 * / e (mulv d (A i) v)).
        - replace (w0 / (1 + W) / e v * f i v ^ 2) with (w0 * f i v ^ 2 * / ((1 + W) * e v)) by (field; lra).
          apply Rmult_le_compat_l. apply Rmult_le_pos; [lra | apply pow2_ge_0]. now apply Rinv_le_contravar.
        - apply Rmult_le_compat_r. left; now apply Rinv_0_lt_compat. apply Rmult_le_compat_r; [apply pow2_ge_0 | now apply Hwi]. }
      lra. }
  rewrite E_plus, (E_const N p Hp), E_scal. pose proof (Hsee v) as HS.
  assert (w0 * kappa / (1 + W) <= w0 / (1 + W) / e v * E N p (fun i => f i v ^ 2)).
  { apply Rle_trans with (w0 / (1 + W) / e v * (kappa * e v)). right; field; lra.
    apply Rmult_le_compat_l; auto. repeat apply Rmult_le_pos; try lra; left; apply Rinv_0_lt_compat; lra. }
  lra.
Qed.

Theorem energy_kept : (forall i, (i < N)%nat -> z i = 0) -> lyapunov = 0.
Proof.
  intros Hz. assert (Hk : forall i v, (i < N)%nat -> e (mulv d (A i) v) = e v). { intros i v Hi. rewrite Hstep, Hz by auto. ring. }
  apply ext_le_antisym.
  - apply (energy_upper 1); [lra | intros i Hi; rewrite Hz by auto; lra |]. intros v y [Hy HE].
    rewrite (E_ext N p _ (fun _ => 0)), (E_const N p Hp). lra. intros i Hi. rewrite Hk, <- HE, sqrt_pow2 by (auto; lra).
    replace (y / y) with 1 by (field; lra). rewrite Rmax_left by lra. apply ln_1.
  - apply energy_lower. intros i Hi; rewrite Hz by auto; lra. intros v He. rewrite Rplus_0_l.
    rewrite (E_ext N p _ (fun _ => ln (sqrt (e v)))), (E_const N p Hp). lra. intros i Hi. now rewrite Hk.
Qed.
End Energy.
