(* The top Lyapunov exponent of a finite family of matrices with probabilities: lim (1/n) E ln ||A_{i_n} ... A_{i_1}||.
   `lyapunov d N p A` is a value of [-infinity, infinity) for every family; `lyapunov_correct` says that it is this limit
   (where a product of the family vanishes, E ln ||...|| = -infinity for all large n), `is_lyapunov_unique` that nothing else is. *)
From Coq Require Import Reals Rlogic Lra Lia Psatz Arith List Classical.
From SgdVerify Require Import Sums Logarithms Fekete ExtendedReals Matrices RandomProducts.
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


(* The exponent is at most x: for every c > x, E ln ||A_{i_n} ... A_{i_1}|| <= c n for all large n. *)
Definition grows_at_most (x : R) : Prop :=
  forall c, x < c -> exists n0, forall n, (n0 <= n)%nat -> exists delta, 0 < delta /\ truncated_log n delta <= c * INR n.
Definition limit_exponent (lam : R) : Prop := Un_cv (fun n => mean_log n / INR n) lam.

(* What it means that l is the exponent *)
Definition is_lyapunov (l : extended) : Prop :=
  match l with
  | Finite x => never_zero /\ limit_exponent x
  | MinusInfinity => forall c, grows_at_most c
  end.

(* The exponent as the infimum of its upper bounds *)
Definition upper_bound_opposite (y : R) : Prop := grows_at_most (- y).
Definition decide (P : Prop) : {P} + {~ P} :=
  match sig_not_dec P with left H => left (NNPP P H) | right H => right H end.
Definition lyapunov : extended :=
  match decide (bound upper_bound_opposite /\ exists y, upper_bound_opposite y) with
  | left H => Finite (- proj1_sig (completeness upper_bound_opposite (proj1 H) (proj2 H)))
  | right _ => MinusInfinity
  end.

(* ---------- existence of the limit where no product vanishes ---------- *)
Section NeverZero.
Hypothesis Hnz : never_zero.

Lemma log_subadditive n M : reachable M -> forall X, reachable X ->
  word_mean n (fun M => ln (frobenius M)) (mul X M) <= word_mean n (fun M => ln (frobenius M)) X + ln (frobenius M).
Proof.
  intros HM. induction n; intros X HX; simpl.
  - assert (0 < frobenius X) by auto. assert (0 < frobenius M) by auto.
    destruct (reachable_mul d N A X M HX HM) as [M'' [HR HE]].
    rewrite <- ln_mult by auto. apply ln_le_ln; [| apply frobenius_mul].
    rewrite (frobenius_ext d _ _ HE); auto.
  - rewrite <- (E_const N p Hp (ln (frobenius M))). rewrite <- E_plus. apply (E_le N p Hp); intros i Hi.
    eapply Rle_trans; [| apply IHn; apply reachable_step; auto].
    right. apply word_mean_respects. apply log_frobenius_respects. intros a b Ha Hb. apply (mul_assoc d d).
Qed.

Lemma log_subadditive_eye n M : reachable M -> word_mean n (fun M => ln (frobenius M)) M <= mean_log n + ln (frobenius M).
Proof.
  intros HM. eapply Rle_trans; [| apply log_subadditive; auto; apply reachable_eye].
  right. apply word_mean_respects. apply log_frobenius_respects. intros i j Hi Hj. symmetry. apply eye_mul; auto.
Qed.

Lemma mean_log_subadditive n m : mean_log (n + m) <= mean_log n + mean_log m.
Proof.
  rewrite Nat.add_comm. unfold RandomProducts.mean_log at 1. rewrite word_mean_add.
  eapply Rle_trans.
  apply (word_mean_le d N p A Hp m (word_mean n (fun M => ln (frobenius M))) (fun M => mean_log n + ln (frobenius M)) reachable).
  intros; apply reachable_step; auto. intros; apply log_subadditive_eye; auto. apply reachable_eye.
  rewrite (word_mean_plus d N p A m (fun _ => mean_log n)). rewrite (word_mean_const d N p A Hp). unfold RandomProducts.mean_log. lra.
Qed.

Theorem limit_exists_bounded B : (forall n, - B * INR n <= mean_log n) ->
  exists lam, limit_exponent lam /\ forall n, (0 < n)%nat -> lam <= mean_log n / INR n.
Proof. intros HB. apply (fekete mean_log mean_log_subadditive B HB). Qed.

End NeverZero.

Definition nonsingular := forall i, (i < N)%nat -> exists B, mat_eq (mul B (A i)) eye.

Section Nonsingular.
Hypothesis Hns : nonsingular.
(* uniform lower growth bound *)
Lemma nonsingular_step : exists beta, 0 < beta /\ forall i M, (i < N)%nat -> frobenius M <= beta * frobenius (mul (A i) M).
Proof.
  assert (H : forall n, (n <= N)%nat -> exists beta, 0 < beta /\ forall i M, (i < n)%nat -> frobenius M <= beta * frobenius (mul (A i) M)).
  { induction n; intros Hn.
    - exists 1; split; [lra|]; intros; lia.
    - destruct IHn as [b [Hb H]]; [lia|]. destruct (Hns n) as [B HB]; [lia|].
      exists (b + frobenius B). pose proof (frobenius_nonneg d B). split; [lra|].
      intros i M Hi. pose proof (frobenius_nonneg d (mul (A i) M)).
      destruct (Nat.eq_dec i n) as [->|].
      + assert (frobenius M <= frobenius B * frobenius (mul (A n) M)).
        { eapply Rle_trans; [| apply frobenius_mul]. right. apply frobenius_ext.
          intros a c Ha Hc. rewrite (mul_assoc d d). rewrite <- (eye_mul d M a c Ha Hc).
          apply mul_ext; auto. intros ? ? ? ?. symmetry; auto. intros ? ? ? ?; auto. }
        assert (0 <= b * frobenius (mul (A n) M)) by (apply Rmult_le_pos; lra). lra.
      + assert (frobenius M <= b * frobenius (mul (A i) M)) by (apply H; lia).
        assert (0 <= frobenius B * frobenius (mul (A i) M)) by (apply Rmult_le_pos; lra). lra. }
  apply (H N); auto.
Qed.

Lemma nonsingular_never_zero : never_zero.
Proof.
  intros M [w [Hw ->]]. destruct nonsingular_step as [b [Hb H]].
  induction w as [|i w IH]. pose proof (frobenius_eye_ge_1 d Hd); simpl; lra.
  simpl. assert (0 < frobenius (word_product d A w)) by (apply IH; intros; apply Hw; right; auto).
  pose proof (H i (word_product d A w) (Hw i (or_introl eq_refl))).
  destruct (frobenius_nonneg d (mul (A i) (word_product d A w))) as [|E0]; auto. rewrite <- E0 in H1. lra.
Qed.

Lemma nonsingular_lower : exists B, forall n, - B * INR n <= mean_log n.
Proof.
  destruct nonsingular_step as [b [Hb H]].
  assert (K : forall n M, reachable M -> - ln b * INR n + ln (frobenius M) <= word_mean n (fun M => ln (frobenius M)) M).
  { induction n; intros M HM. simpl; lra.
    rewrite S_INR. simpl word_mean.
    rewrite <- (E_const N p Hp (- ln b * (INR n + 1) + ln (frobenius M))). apply (E_le N p Hp); intros i Hi.
    eapply Rle_trans; [| apply IHn; apply reachable_step; auto].
    pose proof (H i M Hi). pose proof (nonsingular_never_zero M HM).
    pose proof (nonsingular_never_zero _ (reachable_step d N A i M Hi HM)).
    assert (ln (frobenius M) <= ln b + ln (frobenius (mul (A i) M))).
    { rewrite <- ln_mult by auto. apply ln_le_ln; auto. }
    lra. }
  exists (Rabs (ln b) + Rabs (ln (frobenius eye))). intros n. destruct n. simpl INR.
  unfold RandomProducts.mean_log. simpl. pose proof (K 0%nat eye (reachable_eye d N A)). simpl in H0.
  (* n = 0 : need 0 <= ln (frobenius eye) *)
  rewrite Rmult_0_r. rewrite <- ln_1. apply ln_le_ln; [lra|]. now apply frobenius_eye_ge_1.
  eapply Rle_trans; [| apply K; apply reachable_eye].
  assert (1 <= INR (S n)) by (rewrite S_INR; pose proof (pos_INR n); lra).
  pose proof (Rle_abs (ln b)). pose proof (Rle_abs (- ln (frobenius eye))). rewrite Rabs_Ropp in H2.
  pose proof (Rabs_pos (ln (frobenius eye))). pose proof (Rabs_pos (ln b)). nra.
Qed.

(* the Lyapunov exponent of a non-singular family exists, is unique and is <= mean_log n / n *)
Theorem limit_exists : exists lam, limit_exponent lam /\ forall n, (0 < n)%nat -> lam <= mean_log n / INR n.
Proof. destruct nonsingular_lower as [B HB]. apply (limit_exists_bounded nonsingular_never_zero B HB). Qed.
End Nonsingular.

(* limit from linear bounds *)
Lemma limit_ge lam c C : limit_exponent lam -> (forall n, c * INR n - C <= mean_log n) -> c <= lam.
Proof.
  intros H HL. destruct (Rle_lt_dec c lam) as [|Hlt]; auto. exfalso.
  set (eps := (c - lam) / 2). assert (He : 0 < eps) by (unfold eps; lra).
  destruct (H eps He) as [n0 Hn0].
  destruct (INR_unbounded (Rabs C / eps)) as [n1 Hn1].
  set (n := (S (n0 + n1))%nat). specialize (Hn0 n ltac:(unfold n; lia)).
  assert (Hn : 0 < INR n) by (apply lt_0_INR; unfold n; lia).
  assert (Hn1' : INR n1 <= INR n) by (apply le_INR; unfold n; lia).
  unfold R_dist in Hn0. pose proof (Rle_abs (mean_log n / INR n - lam)).
  assert (Rabs C < eps * INR n).
  { apply Rmult_lt_reg_r with (/ eps). apply Rinv_0_lt_compat; auto.
    replace (eps * INR n * / eps) with (INR n) by (field; lra). unfold Rdiv in Hn1. lra. }
  pose proof (Rle_abs C). pose proof (HL n).
  assert (mean_log n / INR n < lam + eps) by lra.
  apply Rmult_lt_compat_r with (r := INR n) in H4; auto.
  replace (mean_log n / INR n * INR n) with (mean_log n) in H4 by (field; lra).
  unfold eps in *. nra.
Qed.

Lemma truncated_log_ge n delta : 0 < delta -> never_zero -> mean_log n <= truncated_log n delta.
Proof.
  intros Hdel Hz. apply (word_mean_le d N p A Hp n _ _ reachable). intros; apply reachable_step; auto.
  intros M HM. apply ln_le_ln; [auto | apply Rmax_l]. apply reachable_eye.
Qed.

Lemma grows_at_most_limit x lam : never_zero -> limit_exponent lam -> grows_at_most x -> lam <= x.
Proof.
  intros Hz H HL. destruct (Rle_lt_dec lam x) as [|Hlt]; auto. exfalso.
  set (c := x + (lam - x) / 2).
  destruct (HL c) as [n0 Hn0]; [unfold c; lra|].
  destruct (H ((lam - x)/2)) as [n1 Hn1]; [lra|].
  set (n := S (n0 + n1)). destruct (Hn0 n) as [del [Hdel HLt]]; [unfold n; lia|].
  specialize (Hn1 n ltac:(unfold n; lia)).
  pose proof (truncated_log_ge n del Hdel Hz).
  assert (Hn : 0 < INR n) by (apply lt_0_INR; unfold n; lia).
  unfold R_dist in Hn1. pose proof (Rle_abs (-(mean_log n / INR n - lam))). rewrite Rabs_Ropp in H1.
  assert (HLn : lam - (lam - x)/2 < mean_log n / INR n) by lra.
  apply Rmult_lt_compat_r with (r := INR n) in HLn; auto.
  replace (mean_log n / INR n * INR n) with (mean_log n) in HLn by (field; lra).
  unfold c in *. nra.
Qed.


(* ---------- one length of words bounds the exponent (Fekete) ---------- *)
Lemma truncated_log_step n M del eps : 0 < del -> 0 < eps -> forall X,
  word_mean n (fun M => ln (Rmax (frobenius M) (del * eps))) (mul X M) <=
  word_mean n (fun M => ln (Rmax (frobenius M) del)) X + ln (Rmax (frobenius M) eps).
Proof.
  intros Hd1 He. induction n; intros X; simpl.
  - assert (0 < Rmax (frobenius X) del) by (eapply Rlt_le_trans; [exact Hd1 | apply Rmax_r]).
    assert (0 < Rmax (frobenius M) eps) by (eapply Rlt_le_trans; [exact He | apply Rmax_r]).
    rewrite <- ln_mult by auto. apply ln_le_ln.
    eapply Rlt_le_trans; [| apply Rmax_r]. apply Rmult_lt_0_compat; auto.
    apply Rmax_lub.
    + eapply Rle_trans; [apply frobenius_mul|].
      apply Rmult_le_compat; try apply frobenius_nonneg; apply Rmax_l.
    + apply Rmult_le_compat; try lra; apply Rmax_r.
  - rewrite <- (E_const N p Hp (ln (Rmax (frobenius M) eps))). rewrite <- E_plus. apply (E_le N p Hp); intros i Hi.
    eapply Rle_trans; [| apply IHn].
    right. apply word_mean_respects. intros P Q HPQ. now rewrite (frobenius_ext d _ _ HPQ).
    intros a b Ha Hb. apply (mul_assoc d d).
Qed.
Lemma truncated_log_subadditive n m del eps : 0 < del -> 0 < eps -> truncated_log (n + m) (del * eps) <= truncated_log n del + truncated_log m eps.
Proof.
  intros Hd1 He. rewrite Nat.add_comm. unfold RandomProducts.truncated_log at 1. rewrite word_mean_add.
  eapply Rle_trans.
  apply (word_mean_le_everywhere d N p A Hp) with (g := fun M => truncated_log n del + ln (Rmax (frobenius M) eps)).
  - intros M. eapply Rle_trans; [| apply truncated_log_step; auto].
    right. apply word_mean_respects. intros P Q HPQ. now rewrite (frobenius_ext d _ _ HPQ).
    intros i j Hi Hj. symmetry. apply eye_mul; auto.
  - rewrite (word_mean_plus d N p A m (fun _ => truncated_log n del)), (word_mean_const d N p A Hp). unfold RandomProducts.truncated_log. lra.
Qed.

Theorem word_length_bound n del x : (0 < n)%nat -> 0 < del -> truncated_log n del <= x * INR n -> grows_at_most x.
Proof.
  intros Hn Hdel Hx.
  assert (Hq : forall q r, exists delta, 0 < delta /\ truncated_log (q * n + r) delta <= INR q * (x * INR n) + truncated_log r del).
  { induction q; intros r. exists del. simpl. split; auto. lra.
    destruct (IHq r) as [dl [Hdl HL]]. exists (del * dl). split. apply Rmult_lt_0_compat; auto.
    replace (S q * n + r)%nat with (n + (q * n + r))%nat by lia. rewrite S_INR.
    pose proof (truncated_log_subadditive n (q * n + r) del dl Hdel Hdl). lra. }
  assert (HB : exists C, 0 <= C /\ forall r, (r < n)%nat -> truncated_log r del <= C).
  { clear - Hn. induction n. exists 0; split; [lra|]; intros; lia. destruct n as [|n'].
    - exists (Rmax 0 (truncated_log 0 del)). split. apply Rmax_l. intros r Hr. replace r with 0%nat by lia. apply Rmax_r.
    - destruct IHn as [C [HC HB]]; [lia|]. exists (Rmax C (truncated_log (S n') del)). split.
      eapply Rle_trans; [exact HC | apply Rmax_l]. intros r Hr. destruct (Nat.eq_dec r (S n')) as [->|]. apply Rmax_r.
      eapply Rle_trans; [apply HB; lia | apply Rmax_l]. }
  destruct HB as [C [HC HB]]. intros c Hc.
  set (D := C + Rabs x * INR n).
  assert (HD : 0 <= D). { unfold D. pose proof (Rabs_pos x). pose proof (pos_INR n). nra. }
  destruct (INR_unbounded (D / (c - x))) as [n0 Hn0]. exists n0. intros k Hk.
  pose proof (Nat.div_mod k n ltac:(lia)) as Hdm.
  set (q := (k / n)%nat) in *. set (r := (k mod n)%nat) in *.
  assert (Hr : (r < n)%nat) by (apply Nat.mod_upper_bound; lia).
  destruct (Hq q r) as [dl [Hdl HL]]. exists dl. split; auto.
  replace (q * n + r)%nat with k in HL by lia.
  pose proof (HB r Hr).
  assert (Ek : INR k = INR q * INR n + INR r).
  { rewrite Hdm at 1. rewrite plus_INR, mult_INR. lra. }
  assert (INR n0 <= INR k) by (apply le_INR; auto).
  assert (D <= (c - x) * INR k).
  { assert (D / (c - x) <= INR k) by lra.
    apply Rmult_le_compat_r with (r := c - x) in H1; [|lra].
    replace (D / (c - x) * (c - x)) with D in H1 by (field; lra). lra. }
  assert (- (x * INR r) <= Rabs x * INR n).
  { assert (INR r <= INR n) by (apply le_INR; lia). pose proof (pos_INR r).
    pose proof (Rle_abs (- x)). rewrite Rabs_Ropp in H4. pose proof (Rabs_pos x). nra. }
  replace (c * INR k) with (x * INR k + (c - x) * INR k) by ring.
  rewrite Ek in *. unfold D in *. lra.
Qed.


(* ---------- the exponent is the limit ---------- *)
Lemma grows_at_most_weaken x y : x <= y -> grows_at_most x -> grows_at_most y.
Proof. intros Hxy H c Hc. apply H. lra. Qed.

Lemma grows_at_most_something : grows_at_most (truncated_log 1 1).
Proof. apply (word_length_bound 1 1); [lia | lra | simpl; lra]. Qed.

Lemma truncation_disappears : never_zero -> forall n M, reachable M -> exists eps, 0 < eps /\ forall delta, 0 < delta <= eps ->
  word_mean n (fun M => ln (Rmax (frobenius M) delta)) M = word_mean n (fun M => ln (frobenius M)) M.
Proof.
  intros Hz. induction n; intros M HM.
  - exists (frobenius M). split; [now apply Hz|]. intros delta [_ H]. simpl. now rewrite Rmax_left.
  - assert (H : forall k, (k <= N)%nat -> exists eps, 0 < eps /\ forall delta, 0 < delta <= eps -> forall i, (i < k)%nat ->
      word_mean n (fun M => ln (Rmax (frobenius M) delta)) (mul (A i) M) = word_mean n (fun M => ln (frobenius M)) (mul (A i) M)).
    { induction k; intros Hk. exists 1. split; [lra|]. intros; lia.
      destruct IHk as [e1 [He1 H1]]; [lia|]. destruct (IHn (mul (A k) M)) as [e2 [He2 H2]]. apply reachable_step; auto.
      exists (Rmin e1 e2). split. now apply Rmin_pos. intros delta [Hd1 Hd2] i Hi.
      pose proof (Rmin_l e1 e2). pose proof (Rmin_r e1 e2).
      destruct (Nat.eq_dec i k) as [->|]; [apply H2; lra | apply H1; [lra | lia]]. }
    destruct (H N (Nat.le_refl N)) as [eps [He HN]]. exists eps. split; auto.
    intros delta Hdelta. simpl. apply (E_ext N p). intros i Hi. now apply HN.
Qed.

Lemma mean_log_zero : 0 <= mean_log 0.
Proof.
  unfold RandomProducts.mean_log. simpl. rewrite <- ln_1. apply ln_le_ln; [lra|]. now apply frobenius_eye_ge_1.
Qed.

Lemma limit_grows x : never_zero -> limit_exponent x -> grows_at_most x.
Proof.
  intros Hz Hl c Hc. destruct (Hl (c - x)) as [n0 Hn0]; [lra|]. exists (S n0). intros n Hn.
  destruct (truncation_disappears Hz n eye (reachable_eye d N A)) as [eps [He HE]]. exists eps. split; auto.
  unfold RandomProducts.truncated_log. rewrite HE by lra. fold (mean_log n).
  specialize (Hn0 n ltac:(lia)). unfold R_dist in Hn0. apply Rabs_def2 in Hn0.
  assert (0 < INR n) by (apply lt_0_INR; lia).
  apply Rmult_le_reg_r with (/ INR n). now apply Rinv_0_lt_compat. replace (c * INR n * / INR n) with c by (field; lra). fold (mean_log n / INR n). lra.
Qed.

Lemma unbounded_grows : never_zero -> ~ (exists B, forall n, - B * INR n <= mean_log n) -> forall c, grows_at_most c.
Proof.
  intros Hz Hno c. destruct (not_all_ex_not _ _ (fun H => Hno (ex_intro _ (- c) H))) as [n Hn]. apply Rnot_le_lt in Hn. rewrite Ropp_involutive in Hn.
  destruct (truncation_disappears Hz n eye (reachable_eye d N A)) as [eps [He HE]].
  apply (word_length_bound n eps); auto.
  - destruct n; [|lia]. pose proof mean_log_zero. simpl in Hn. lra.
  - unfold RandomProducts.truncated_log. rewrite HE by lra. fold (mean_log n). lra.
Qed.

Lemma vanishing_grows : ~ never_zero -> forall c, grows_at_most c.
Proof.
  intros Hnz c. apply not_all_ex_not in Hnz. destruct Hnz as [M HM]. apply imply_to_and in HM. destruct HM as [[w [Hw ->]] Hzero].
  destruct (frobenius_nonneg d (word_product d A w)) as [Hpos|Hzero']; [contradiction|].
  set (k := length w).
  assert (Hword : forall delta, 0 < delta <= 1 -> truncated_log k delta <= truncated_log k 1 + word_prob p w * ln delta).
  { intros delta Hdelta. unfold RandomProducts.truncated_log. rewrite <- !words_mean. apply (words_term_bound d N p A Hp w (fun M => ln (Rmax (frobenius M) delta)) (fun M => ln (Rmax (frobenius M) 1))); auto.
    - intros v. apply ln_le_ln. eapply Rlt_le_trans; [|apply Rmax_r]; lra. apply Rmax_lub; [apply Rmax_l|]. eapply Rle_trans; [|apply Rmax_r]; lra.
    - rewrite <- Hzero'. rewrite Rmax_right by lra. rewrite Rmax_right by lra. rewrite ln_1. lra. }
  pose proof (word_prob_pos N p Hp w Hw) as Hpw.
  destruct (Nat.eq_dec k 0) as [Hk|Hk].
  { exfalso. destruct w; [|discriminate]. apply Hzero. simpl. pose proof (frobenius_eye_ge_1 d Hd). lra. }
  set (target := (c * INR k - truncated_log k 1) / word_prob p w).
  set (delta := exp (Rmin 0 target)).
  assert (Hdelta : 0 < delta <= 1). { split. apply exp_pos. unfold delta. rewrite <- exp_0. apply exp_le_exp, Rmin_l. }
  apply (word_length_bound k delta); [lia | lra |]. eapply Rle_trans; [now apply Hword|].
  unfold delta. rewrite ln_exp.
  assert (word_prob p w * Rmin 0 target <= word_prob p w * target) by (apply Rmult_le_compat_l; [lra | apply Rmin_r]).
  assert (word_prob p w * target = c * INR k - truncated_log k 1) by (unfold target; field; lra). lra.
Qed.

Theorem lyapunov_correct : is_lyapunov lyapunov.
Proof.
  unfold lyapunov. destruct (decide _) as [H|H].
  - destruct (completeness _ _ _) as [m [Hm1 Hm2]]. cbn [proj1_sig]. destruct H as [[b Hb] _].
    assert (Hsome : ~ forall c, grows_at_most c).
    { intros H. assert (K : b + 1 <= b) by (apply Hb; unfold upper_bound_opposite; apply H). lra. }
    destruct (classic never_zero) as [Hz|Hz]. 2: exfalso; now apply Hsome, vanishing_grows.
    destruct (classic (exists B, forall n, - B * INR n <= mean_log n)) as [[B HB]|HB]. 2: exfalso; now apply Hsome, unbounded_grows.
    destruct (limit_exists_bounded Hz B HB) as [lam [Hlam _]].
    assert (E1 : m <= - lam). { apply Hm2. intros y Hy. pose proof (grows_at_most_limit (- y) lam Hz Hlam Hy). lra. }
    assert (E2 : - lam <= m). { apply Hm1. unfold upper_bound_opposite. rewrite Ropp_involutive. now apply limit_grows. }
    replace (- m) with lam by lra. now split.
  - intros c. apply not_and_or in H. destruct H as [H|H].
    2:{ exfalso. apply H. exists (- truncated_log 1 1). unfold upper_bound_opposite. rewrite Ropp_involutive. apply grows_at_most_something. }
    destruct (classic (exists y, upper_bound_opposite y /\ - c <= y)) as [[y [Hy1 Hy2]]|Hno].
    + apply grows_at_most_weaken with (- y); auto. lra.
    + exfalso. apply H. exists (- c). intros y Hy. apply Rnot_lt_le. intros Hlt. apply Hno. exists y. split; auto. lra.
Qed.

Theorem is_lyapunov_unique l l' : is_lyapunov l -> is_lyapunov l' -> l = l'.
Proof.
  assert (no : forall x, never_zero -> limit_exponent x -> ~ forall c, grows_at_most c).
  { intros x Hz Hl H. pose proof (grows_at_most_limit (x - 1) x Hz Hl (H _)). lra. }
  destruct l as [|x], l' as [|y]; simpl; intros H K; auto.
  - destruct K as [K1 K2]. destruct (no y K1 K2 H).
  - destruct H as [H1 H2]. destruct (no x H1 H2 K).
  - f_equal. apply (UL_sequence _ _ _ (proj2 H) (proj2 K)).
Qed.

Theorem lyapunov_at_most (x : R) : (lyapunov <= x)%ext <-> grows_at_most x.
Proof.
  pose proof lyapunov_correct as H. destruct lyapunov as [|l]; simpl in *. { split; auto. }
  destruct H as [Hz Hl]. split.
  - intros Hx. apply grows_at_most_weaken with l; auto. now apply limit_grows.
  - now apply grows_at_most_limit.
Qed.

(* Where the family contracts on average -infinity is a possible value; a real exponent is the limit. *)
Theorem lyapunov_limit x : never_zero -> limit_exponent x -> lyapunov = x.
Proof. intros Hz Hl. apply is_lyapunov_unique; [apply lyapunov_correct | now split]. Qed.

(* A linear lower bound of the means is a lower bound of the exponent. *)
Theorem lyapunov_at_least r C : never_zero -> (forall n, r * INR n - C <= mean_log n) -> (r <= lyapunov)%ext.
Proof.
  intros Hz HL. destruct (limit_exists_bounded Hz (Rabs r + Rabs C)) as [lam [Hlam _]].
  - intros [|n]. { pose proof mean_log_zero. simpl INR. lra. }
    pose proof (HL (S n)). assert (1 <= INR (S n)) by (rewrite S_INR; pose proof (pos_INR n); lra).
    pose proof (Rle_abs (- r)). pose proof (Rle_abs C). rewrite Rabs_Ropp in *. pose proof (Rabs_pos r). pose proof (Rabs_pos C). nra.
  - rewrite (lyapunov_limit lam Hz Hlam). simpl. now apply (limit_ge lam r C).
Qed.

Theorem nonsingular_finite : nonsingular -> exists x : R, lyapunov = x.
Proof. intros H. destruct (limit_exists H) as [x [Hx _]]. exists x. apply lyapunov_limit; auto. now apply nonsingular_never_zero. Qed.

End Family.
