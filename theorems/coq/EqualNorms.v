(* Facts E5 and E7 for SGD with any weights and K positive definite: lambda < 0 if every eta K_ii < 2, lambda > 0 if every eta K_ii > 2,
   lambda = 0 if every eta K_ii = 2. In the energy <r, K^-1 r> the step i loses eta (2 - eta K_ii) r_i^2.
   That K is positive definite is certified by rationals D > 0, L and W with W L = I and L^T D L K = I. *)
From Coq Require Import Reals Lra Lia Psatz Arith List ZArith QArith Qreals Bool.
From SgdVerify Require Import Sums Logarithms ExtendedReals Matrices RandomProducts Exponent Sandwich EnergyNorm Invariance IntegerFamily RationalFamily Comparison Sgd.
Import ListNotations.
Open Scope R_scope.

Section Energy.
Variables (d N : nat) (p : nat -> R) (eta : R) (a f : nat -> vec) (D : vec) (L W : mat) (seen : R).
Hypothesis Hp : probability N p.
Hypothesis Hd : (0 < d)%nat.
Hypothesis HD : forall m, (m < d)%nat -> 0 < D m.
Hypothesis Hinverse : forall j k, (j < d)%nat -> (k < d)%nat -> rsum d (fun m => W j m * L m k) = rdelta j k.
(* f_i is the energy's product with a_i, and the f_i see every direction. *)
Hypothesis Hdual : forall i k, (i < N)%nat -> (k < d)%nat -> rsum d (fun m => D m * mulv d L (a i) m * L m k) = f i k.
Hypothesis Hseen : 0 < seen.
Hypothesis Hsees : forall v, seen * norm d v ^ 2 <= rsum N (fun i => rsum d (fun k => f i k * v k) ^ 2).

Definition residual (i : nat) (v : vec) : R := rsum d (fun k => f i k * v k).
Definition energy (v : vec) : R := rsum d (fun m => D m * mulv d L v m ^ 2).
Definition loss (i : nat) : R := eta * (2 - eta * residual i (a i)).

Lemma residual_product i v : (i < N)%nat -> rsum d (fun m => D m * mulv d L (a i) m * mulv d L v m) = residual i v.
Proof.
  intros Hi. unfold residual.
  rewrite (rsum_ext d _ (fun m => rsum d (fun k => D m * mulv d L (a i) m * L m k * v k))).
  2:{ intros m Hm. unfold mulv at 2. rewrite <- rsum_scal. apply rsum_ext; intros; ring. }
  rewrite rsum_swap. apply rsum_ext. intros k Hk. rewrite rsum_scal_r. now rewrite Hdual.
Qed.

Lemma energy_step i v : (i < N)%nat -> energy (mulv d (pull_step eta (a i) (f i)) v) = energy v - loss i * residual i v ^ 2.
Proof.
  intros Hi. set (t := eta * residual i v).
  assert (Hv : forall m, mulv d L (mulv d (pull_step eta (a i) (f i)) v) m = mulv d L v m - t * mulv d L (a i) m).
  { intros m. unfold mulv. rewrite <- rsum_scal.
    rewrite (rsum_ext d _ (fun j => L m j * v j + - (t * (L m j * a i j)))).
    2:{ intros j Hj. unfold pull_step, rdelta.
        rewrite (rsum_ext d _ (fun k => (if Nat.eqb j k then 1 else 0) * v k + (- eta * a i j) * (f i k * v k))) by (intros; ring).
        rewrite rsum_plus, rsum_delta, rsum_scal by auto. unfold t, residual. ring. }
    rewrite rsum_plus. unfold Rminus. f_equal. rewrite (rsum_ext d _ (fun j => (-1) * (t * (L m j * a i j)))) by (intros; ring). rewrite rsum_scal. ring. }
  unfold energy.
  rewrite (rsum_ext d _ (fun m => D m * mulv d L v m ^ 2 + ((-2 * t) * (D m * mulv d L (a i) m * mulv d L v m) + t ^ 2 * (D m * mulv d L (a i) m * mulv d L (a i) m)))).
  2:{ intros m _. rewrite Hv. ring. }
  rewrite !rsum_plus, !rsum_scal, !residual_product by auto. unfold loss, t. ring.
Qed.

Lemma energy_bounds : exists low high, 0 < low /\ 0 < high /\ forall v, low * norm d v ^ 2 <= energy v <= high * norm d v ^ 2.
Proof.
  destruct (common_positive_bound d D HD) as [D0 [HD0 HDm]].
  set (w := frobenius d W ^ 2 + 1). assert (Hw : 0 < w) by (unfold w; pose proof (pow2_ge_0 (frobenius d W)); lra).
  set (high := rsum d D * frobenius d L ^ 2 + 1).
  assert (HDs : 0 <= rsum d D) by (apply rsum_nonneg; intros; left; auto).
  exists (D0 / w), high. split. now apply Rdiv_lt_0_compat. split. { unfold high. pose proof (Rmult_le_pos _ _ HDs (pow2_ge_0 (frobenius d L))). lra. }
  assert (Hsq : forall v, norm d v ^ 2 = rsum d (fun k => v k ^ 2)) by (intros; unfold norm; apply pow2_sqrt, norm_square_nonneg).
  intros v. split.
  - assert (H : norm d v ^ 2 <= w * norm d (mulv d L v) ^ 2).
    { rewrite (norm_ext d v (mulv d W (mulv d L v))).
      - pose proof (norm_mulv d W (mulv d L v)). pose proof (norm_nonneg d (mulv d W (mulv d L v))).
        apply Rle_trans with ((frobenius d W * norm d (mulv d L v)) ^ 2). apply pow_incr; lra.
        rewrite Rpow_mult_distr. apply Rmult_le_compat_r. apply pow2_ge_0. unfold w; lra.
      - intros j Hj. rewrite <- mulv_mul. unfold mulv, mul. rewrite (rsum_ext d _ (fun k => (if Nat.eqb j k then 1 else 0) * v k)). now rewrite rsum_delta.
        intros k Hk. rewrite Hinverse by auto. reflexivity. }
    apply Rle_trans with (D0 * norm d (mulv d L v) ^ 2).
    + unfold Rdiv. rewrite Rmult_assoc. apply Rmult_le_compat_l; [lra|]. apply Rmult_le_reg_l with w; auto. rewrite <- Rmult_assoc, Rinv_r, Rmult_1_l by lra. exact H.
    + rewrite Hsq, <- rsum_scal. apply rsum_le. intros m Hm. apply Rmult_le_compat_r; [apply pow2_ge_0 | auto].
  - apply Rle_trans with (rsum d D * norm d (mulv d L v) ^ 2).
    + unfold energy. rewrite <- rsum_scal_r. apply rsum_le. intros m Hm. apply Rmult_le_compat_l. left; auto.
      rewrite Hsq. apply (rsum_term_le d (fun k => mulv d L v k ^ 2)); auto. intros; apply pow2_ge_0.
    + apply Rle_trans with (rsum d D * (frobenius d L * norm d v) ^ 2).
      * apply Rmult_le_compat_l; auto. apply pow_incr. split. apply norm_nonneg. apply norm_mulv.
      * rewrite Rpow_mult_distr, <- Rmult_assoc. apply Rmult_le_compat_r. apply pow2_ge_0. unfold high; lra.
Qed.

Lemma energy_seen low high : 0 < low -> 0 < high -> (forall v, low * norm d v ^ 2 <= energy v <= high * norm d v ^ 2) ->
  exists kappa top, 0 < kappa /\ 0 < top /\ (forall v, kappa * energy v <= E N p (fun i => residual i v ^ 2)) /\
    forall i v, (i < N)%nat -> residual i v ^ 2 <= top * energy v.
Proof.
  intros Hlow Hhigh H. destruct (common_positive_bound N p (proj1 Hp)) as [p0 [Hp0 Hpi]].
  set (F := rsum N (fun i => rsum d (fun k => f i k ^ 2)) + 1).
  assert (HF : forall i, (i < N)%nat -> rsum d (fun k => f i k ^ 2) <= F).
  { intros i Hi. unfold F. assert (rsum d (fun k => f i k ^ 2) <= rsum N (fun i => rsum d (fun k => f i k ^ 2))); [|lra].
    apply (rsum_term_le N (fun i => rsum d (fun k => f i k ^ 2))); auto. intros; apply rsum_nonneg; intros; apply pow2_ge_0. }
  assert (HF0 : 0 < F). { unfold F. assert (0 <= rsum N (fun i => rsum d (fun k => f i k ^ 2))); [|lra]. apply rsum_nonneg; intros; apply rsum_nonneg; intros; apply pow2_ge_0. }
  exists (p0 * seen / high), (F / low). split. apply Rdiv_lt_0_compat; auto. now apply Rmult_lt_0_compat.
  split. now apply Rdiv_lt_0_compat. split.
  - intros v. destruct (H v) as [_ H2]. apply Rle_trans with (p0 * (seen * norm d v ^ 2)).
    + replace (p0 * seen / high * energy v) with (p0 * seen * (energy v / high)) by (field; lra). rewrite <- Rmult_assoc.
      apply Rmult_le_compat_l. left; now apply Rmult_lt_0_compat. apply Rmult_le_reg_r with high; auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
    + unfold E. apply Rle_trans with (p0 * rsum N (fun i => residual i v ^ 2)). apply Rmult_le_compat_l; [lra | apply Hsees].
      rewrite <- rsum_scal. apply rsum_le. intros i Hi. apply Rmult_le_compat_r. apply pow2_ge_0. auto.
  - intros i v Hi. destruct (H v) as [H1 _]. unfold residual. eapply Rle_trans; [apply cauchy_schwarz|].
    replace (rsum d (fun k => v k ^ 2)) with (norm d v ^ 2) by (unfold norm; apply pow2_sqrt, norm_square_nonneg).
    apply Rle_trans with (F * norm d v ^ 2). apply Rmult_le_compat_r; [apply pow2_ge_0 | auto].
    replace (F / low * energy v) with (F * (energy v / low)) by (field; lra). apply Rmult_le_compat_l; [lra|].
    apply Rmult_le_reg_r with low; auto. unfold Rdiv. rewrite Rmult_assoc, Rinv_l by lra. lra.
Qed.

Let A (i : nat) : mat := pull_step eta (a i) (f i).

Theorem pull_steps_sign :
  ((forall i, (i < N)%nat -> 0 < loss i) -> (lyapunov d N p A < 0)%ext) /\
  ((forall i, (i < N)%nat -> loss i < 0) -> (0 < lyapunov d N p A)%ext) /\
  ((forall i, (i < N)%nat -> loss i = 0) -> lyapunov d N p A = 0).
Proof.
  destruct energy_bounds as [low [high [Hlow [Hhigh H]]]]. destruct (energy_seen low high Hlow Hhigh H) as [kappa [top [Hk [Ht [H1 H2]]]]].
  assert (HS : forall i v, (i < N)%nat -> energy (mulv d (A i) v) = energy v - loss i * residual i v ^ 2) by exact energy_step.
  split; [|split].
  - apply (energy_lost d N p A Hp Hd energy residual loss low high kappa); auto.
  - apply (energy_gained d N p A Hp Hd energy residual loss low high kappa top); auto.
  - apply (energy_kept d N p A Hp Hd energy residual loss low high); auto.
Qed.
End Energy.

(* ---------- the certificate and its check ---------- *)
Definition qsum (n : nat) (f : nat -> Q) : Q := fold_right (fun i s => (f i + s)%Q) 0%Q (seq 0 n).
Lemma Q2R_qsum n f : Q2R (qsum n f) = rsum n (fun i => Q2R (f i)).
Proof.
  unfold qsum. induction n. simpl. apply Q2R_0.
  rewrite seq_S, fold_right_app. cbn [fold_right rsum plus]. rewrite <- IHn.
  assert (G : forall l x, Q2R (fold_right (fun i s => (f i + s)%Q) x l) = Q2R (fold_right (fun i s => (f i + s)%Q) 0%Q l) + Q2R x).
  { induction l as [|y l IH]; intros x; cbn [fold_right]. rewrite Q2R_0; ring. rewrite !Q2R_plus, IH. ring. }
  rewrite G, Q2R_plus, Q2R_0. ring.
Qed.
Definition same_qmatrix (n m : nat) (f g : nat -> nat -> Q) : bool :=
  forallb (fun j => forallb (fun k => Qeq_bool (f j k) (g j k)) (seq 0 m)) (seq 0 n).
Lemma same_qmatrix_spec n m f g : same_qmatrix n m f g = true -> forall j k, (j < n)%nat -> (k < m)%nat -> Q2R (f j k) = Q2R (g j k).
Proof.
  intros H j k Hj Hk. unfold same_qmatrix in H. rewrite forallb_forall in H. specialize (H j ltac:(apply in_seq; lia)).
  rewrite forallb_forall in H. apply Qeq_eqR, Qeq_bool_eq, H, in_seq. lia.
Qed.

(* Rows of L and W, diagonal D *)
Record definite := Definite { diagonal : list Q; factor : list (list Q); inverse_factor : list (list Q) }.
Definition positive_definite (K : list (list Q)) (x : definite) : bool :=
  let n := length K in
  let LK := qmatrix n n (fun m i => qsum n (fun l => qentry (factor x) m l * qentry K l i)%Q) in
  forallb (fun m => negb (Qle_bool (nth m (diagonal x) 0%Q) 0)) (seq 0 n) &&
  same_qmatrix n n (fun j k => qsum n (fun m => qentry (inverse_factor x) j m * qentry (factor x) m k)%Q) delta &&
  same_qmatrix n n (fun i k => qsum n (fun m => nth m (diagonal x) 0 * qentry LK m i * qentry (factor x) m k)%Q) delta.
Definition positive_weights (ws : list Q) (K : list (list Q)) : bool :=
  (length ws =? length K)%nat && (0 <? length K)%nat && forallb (fun w => negb (Qle_bool w 0)) ws.

Lemma Qlt_0_R x : negb (Qle_bool x 0) = true -> 0 < Q2R x.
Proof.
  intros H. apply negb_true_iff in H. assert (K : ~ (x <= 0)%Q) by (intros K; apply Qle_bool_iff in K; congruence).
  apply Qnot_le_lt, Qlt_Rlt in K. now rewrite Q2R_0 in K.
Qed.

Lemma sgd_probability ws K eta : positive_weights ws K = true -> probability (length K) (family_prob (sgd_weighted ws K eta)).
Proof.
  unfold positive_weights. rewrite !andb_true_iff. intros [[H1 H2] H3]. apply Nat.eqb_eq in H1. apply Nat.ltb_lt in H2. rewrite forallb_forall in H3.
  assert (Hw : forall i, (i < length K)%nat -> 0 < Q2R (nth i ws 0%Q)) by (intros i Hi; apply Qlt_0_R, H3, nth_In; lia).
  assert (Hsum : Q2R (fold_right Qplus 0%Q ws) = rsum (length K) (fun i => Q2R (nth i ws 0%Q))).
  { rewrite <- H1. clear. induction ws as [|w ws IH]. apply Q2R_0. cbn [fold_right length]. rewrite rsum_shift, Q2R_plus, IH. reflexivity. }
  assert (Hpos : 0 < Q2R (fold_right Qplus 0%Q ws)).
  { rewrite Hsum. apply rsum_pos with 0%nat; auto. intros; left; auto. }
  split.
  - intros i Hi. rewrite sgd_prob by auto. apply Rdiv_lt_0_compat; auto.
  - rewrite (rsum_ext _ _ (fun i => Q2R (nth i ws 0%Q) * / Q2R (fold_right Qplus 0%Q ws))) by (intros; now apply sgd_prob).
    rewrite rsum_scal_r, <- Hsum. field. lra.
Qed.

Definition check_equal_norms (ws : list Q) (K : list (list Q)) (eta : Q) (x : definite) (below : Q -> bool) : bool :=
  positive_weights ws K && positive_definite K x && negb (Qle_bool eta 0) && forallb (fun i => below (eta * qentry K i i)%Q) (seq 0 (length K)).

Section Sgd.
Variables (ws : list Q) (K : list (list Q)) (eta : Q) (x : definite) (below : Q -> bool).
Hypothesis Hcheck : check_equal_norms ws K eta x below = true.
Let N := length K.
Let loss (i : nat) : R := Q2R eta * (2 - Q2R (eta * qentry K i i)).

Lemma sgd_sign :
  ((forall i, (i < N)%nat -> 0 < loss i) -> (lambda_weighted ws K eta < 0)%ext) /\
  ((forall i, (i < N)%nat -> loss i < 0) -> (0 < lambda_weighted ws K eta)%ext) /\
  ((forall i, (i < N)%nat -> loss i = 0) -> lambda_weighted ws K eta = 0).
Proof.
  unfold check_equal_norms in Hcheck. rewrite !andb_true_iff in Hcheck. destruct Hcheck as [[[H1 H2] _] _].
  pose proof (sgd_probability ws K eta H1) as Hp. unfold positive_weights in H1. rewrite !andb_true_iff in H1. destruct H1 as [[Hlen HN] _].
  apply Nat.eqb_eq in Hlen. apply Nat.ltb_lt in HN. unfold positive_definite in H2. cbv zeta in H2. rewrite !andb_true_iff in H2. destruct H2 as [[HD HW] HI].
  rewrite forallb_forall in HD. pose proof (same_qmatrix_spec _ _ _ _ HW) as EW. pose proof (same_qmatrix_spec _ _ _ _ HI) as EI. clear HW HI.
  set (a := fun i j => Q2R (qentry K j i)). set (f := fun i k => rdelta k i).
  set (D := fun m => Q2R (nth m (diagonal x) 0%Q)). set (L := fun m l => Q2R (qentry (factor x) m l)). set (W := fun j m => Q2R (qentry (inverse_factor x) j m)).
  assert (Hrd : forall i v, (i < N)%nat -> rsum N (fun k => rdelta k i * v k) = v i).
  { intros i v Hi. rewrite (rsum_ext N _ (fun k => (if Nat.eqb i k then 1 else 0) * v k)). now rewrite rsum_delta. intros k _. unfold rdelta. now rewrite (Nat.eqb_sym k i). }
  assert (E : lambda_weighted ws K eta = lyapunov N N (family_prob (sgd_weighted ws K eta)) (fun i => pull_step (Q2R eta) (a i) (f i))).
  { unfold lambda_weighted, exponent. rewrite sgd_count by auto. rewrite sgd_dimension. apply lyapunov_ext; auto. intros i Hi. apply sgd_matrix; auto. }
  rewrite E.
  destruct (pull_steps_sign N N (family_prob (sgd_weighted ws K eta)) (Q2R eta) a f D L W 1 Hp HN) as [S1 [S2 S3]].
  - intros m Hm. apply Qlt_0_R, HD, in_seq. lia.
  - intros j k Hj Hk. rewrite <- Q2R_delta, <- EW by auto. rewrite Q2R_qsum. apply rsum_ext. intros m _. now rewrite Q2R_mult.
  - intros i k Hi Hk. unfold f. specialize (EI i k Hi Hk). cbv beta in EI. rewrite Q2R_qsum, Q2R_delta in EI. replace (rdelta k i) with (rdelta i k).
    2:{ unfold rdelta. now rewrite (Nat.eqb_sym i k). } rewrite <- EI. apply rsum_ext. intros m Hm. rewrite !Q2R_mult. unfold D, L. f_equal. f_equal.
    rewrite qmatrix_entry by auto. rewrite Q2R_qsum. unfold mulv. apply rsum_ext. intros l _. now rewrite Q2R_mult.
  - lra.
  - intros v. rewrite Rmult_1_l. unfold norm. rewrite pow2_sqrt by apply norm_square_nonneg. right. apply rsum_ext. intros i Hi. unfold f. now rewrite Hrd.
  - assert (HL : forall i, (i < N)%nat -> EqualNorms.loss N (Q2R eta) a f i = loss i).
    { intros i Hi. unfold EqualNorms.loss, residual, f, loss. rewrite Hrd by auto. unfold a. now rewrite Q2R_mult. }
    split; [|split]; intros H; [apply S1 | apply S2 | apply S3]; intros i Hi; rewrite HL; auto.
Qed.

Lemma sgd_loss i : (i < N)%nat -> 0 < Q2R eta /\ below (eta * qentry K i i)%Q = true.
Proof.
  intros Hi. unfold check_equal_norms in Hcheck. rewrite !andb_true_iff in Hcheck. destruct Hcheck as [[_ H1] H2].
  split. now apply Qlt_0_R. rewrite forallb_forall in H2. apply H2, in_seq. lia.
Qed.
End Sgd.

Definition below_two (c : Q) : bool := negb (Qle_bool 2 c).
Definition above_two (c : Q) : bool := negb (Qle_bool c 2).
Definition equals_two (c : Q) : bool := Qeq_bool c 2.
Lemma Q2R_2 : Q2R 2 = 2. Proof. unfold Q2R; simpl; lra. Qed.

Theorem steps_below_two ws K eta x : check_equal_norms ws K eta x below_two = true -> (lambda_weighted ws K eta < 0%Q)%ext.
Proof.
  intros H. rewrite rational_zero. apply (proj1 (sgd_sign ws K eta x below_two H)). intros i Hi. destruct (sgd_loss ws K eta x below_two H i Hi) as [He Hc].
  apply Rmult_lt_0_compat; auto. apply negb_true_iff in Hc. assert (G : ~ (2 <= eta * qentry K i i)%Q) by (intros G; apply Qle_bool_iff in G; congruence).
  apply Qnot_le_lt, Qlt_Rlt in G. rewrite Q2R_2 in G. lra.
Qed.
Theorem steps_above_two ws K eta x : check_equal_norms ws K eta x above_two = true -> (0%Q < lambda_weighted ws K eta)%ext.
Proof.
  intros H. rewrite rational_zero. apply (proj1 (proj2 (sgd_sign ws K eta x above_two H))). intros i Hi. destruct (sgd_loss ws K eta x above_two H i Hi) as [He Hc].
  apply negb_true_iff in Hc. assert (G : ~ (eta * qentry K i i <= 2)%Q) by (intros G; apply Qle_bool_iff in G; congruence).
  apply Qnot_le_lt, Qlt_Rlt in G. rewrite Q2R_2 in G. nra.
Qed.
Theorem steps_equal_two ws K eta x : check_equal_norms ws K eta x equals_two = true -> lambda_weighted ws K eta = rational 0.
Proof.
  intros H. rewrite rational_zero. apply (proj2 (proj2 (sgd_sign ws K eta x equals_two H))). intros i Hi. destruct (sgd_loss ws K eta x equals_two H i Hi) as [He Hc].
  apply Qeq_bool_eq, Qeq_eqR in Hc. rewrite Q2R_2 in Hc. rewrite Hc. ring.
Qed.
